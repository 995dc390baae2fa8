use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// The Content-Security-Policy of a page with one style sheet and at most one script: the browser applies these and
/// loads or runs nothing else, whatever the texts on the page contain.
///
/// # Reference
/// W3C, [Content Security Policy Level 3](https://www.w3.org/TR/CSP3/), hash sources.
pub(crate) fn policy(style: &str, script: Option<&str>) -> String {
    let source = |content: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(content)));
    let script = script.map_or("'none'".to_owned(), source);
    let style = source(style);
    format!("default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_match_the_standard() {
        // the example of section 8.3 of the standard, computed by openssl dgst -sha256 -binary | openssl base64
        let policy = policy("", Some("alert('Hello, world.');"));
        assert!(policy.contains("script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"), "{policy}");
        assert!(policy.contains("style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"), "{policy}");
    }
}
