//! Manifests: what is on the stage, and what the people on it write.
//!
//! Decides names and roles of the example. Does not know who applies them.

/// A level 2 template with the times of a demo: watched every second, soaked for five.
pub const QUICK_TEMPLATE: &str = include_str!("template.yaml");

const PEOPLE: &str = include_str!("people.yaml");
const NAMESPACE: &str = include_str!("namespace.yaml");
const DEPLOYMENT: &str = include_str!("deployment.yaml");

/// The roles that every stage shares.
pub(super) fn people() -> String {
    PEOPLE.to_owned()
}

/// The namespace, and who may do what in it.
pub(super) fn namespace(name: &str) -> String {
    NAMESPACE.replace("NAMESPACE", name)
}

/// One more tech-lead.
pub(super) fn tech_lead(namespace: &str, username: &str) -> String {
    let name = username.replace('@', "-");
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stage-tech-lead}}\nsubjects:\n\
         - {{kind: User, apiGroup: rbac.authorization.k8s.io, name: {username}}}\n"
    )
}

/// The workload with the image of `tag`.
pub fn deployment(namespace: &str, tag: &str) -> String {
    DEPLOYMENT
        .replace("NAMESPACE", namespace)
        .replace("TAG", tag)
}

/// The quick template under another name, with `replacements` made in its text.
pub fn template(name: &str, replacements: &[(&str, &str)]) -> String {
    let named = QUICK_TEMPLATE.replace("name: quick-deployment", &format!("name: {name}"));
    replacements
        .iter()
        .fold(named, |text, (from, to)| text.replace(from, to))
}

/// A permit for one image of the workload.
pub fn permit(name: &str, template: &str, tag: &str) -> String {
    format!(
        "apiVersion: permits.dev/v1alpha1\nkind: Permit\nmetadata: {{name: {name}}}\nspec:\n  template: {template}\n  \
         purpose: roll out checkout {tag}\n  targets:\n  - {{name: checkout, images: {{checkout: 'shop/checkout:{tag}'}}}}\n"
    )
}

/// An approval as a tech-lead, at one digest.
pub fn approval(permit: &str, who: &str, digest: &str) -> String {
    format!(
        "apiVersion: permits.dev/v1alpha1\nkind: Approval\nmetadata: {{name: {permit}.{who}}}\nspec:\n  \
         permitRef: {{name: {permit}, digest: '{digest}'}}\n  decision: Approve\n  role: tech-lead\n  reasoning: reviewed\n"
    )
}
