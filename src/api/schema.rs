//! The last hand on the derived schemas: what the derive adds and the API server should not show or store.
//!
//! Does not know any kind: bounds, defaults and rules stand beside the fields themselves.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// A definition without `nullable` (an optional field is left out, never null), and without defaults in its status:
/// a report says what was seen, so the API server must add nothing to it.
pub(super) fn tidied(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut());
    for root in schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()) {
        each(root, &mut forget_null);
        if let Some(status) = root
            .properties
            .as_mut()
            .and_then(|properties| properties.get_mut("status"))
        {
            each(status, &mut |node| node.default = None);
        }
    }
    crd
}

fn forget_null(node: &mut JSONSchemaProps) {
    node.nullable = None;
    if let Some(words) = &mut node.enum_ {
        words.retain(|word| !word.0.is_null());
    }
}

/// Visits a schema and everything below it.
fn each(node: &mut JSONSchemaProps, visit: &mut dyn FnMut(&mut JSONSchemaProps)) {
    visit(node);
    for property in node
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        each(property, visit);
    }
    match &mut node.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => each(item, visit),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            for item in items.iter_mut() {
                each(item, visit);
            }
        }
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut node.additional_properties {
        each(value, visit);
    }
}
