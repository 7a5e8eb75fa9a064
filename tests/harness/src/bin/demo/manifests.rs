//! What the people of the story write.

/// What one of them writes or runs.
pub(crate) fn set_image(tag: &str) -> Vec<String> {
    let image = format!("checkout=shop/checkout:{tag}");
    ["set", "image", "deploy/checkout", &image, "-n", "shop"]
        .map(str::to_owned)
        .to_vec()
}

/// What one of them writes or runs.
pub(crate) fn permit(name: &str, tag: &str) -> String {
    format!(
        "apiVersion: permits.dev/v1alpha1\nkind: Permit\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  template: demo-deployment\n  \
         purpose: roll out checkout {tag}\n  targets:\n  - {{name: checkout, images: {{checkout: 'shop/checkout:{tag}'}}}}\n"
    )
}

/// What one of them writes or runs.
pub(crate) fn approval(permit: &str, who: &str, digest: &str) -> String {
    format!(
        "apiVersion: permits.dev/v1alpha1\nkind: Approval\nmetadata: {{name: {permit}.{who}, namespace: shop}}\nspec:\n  \
         permitRef: {{name: {permit}, digest: '{digest}'}}\n  decision: Approve\n  role: tech-lead\n  reasoning: reviewed\n"
    )
}
