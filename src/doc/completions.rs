//! Completions for bash, zsh and fish.
pub fn script(_shell: &str) -> Option<String> {
    None
}
