use std::fmt;

use url::Url;

use crate::server::ServerError;

/// Query parameters that are displayed; others may contain secrets.
const SHOWN: [&str; 2] = ["db", "table"];

/// The address of a store on a server. Displayed without its password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(Url);

impl Address {
    /// Parses an address with one of these schemes.
    pub(crate) fn parse(text: &str, schemes: &[&str], expected: &'static str) -> Result<Self, ServerError> {
        let invalid = |found: String, reason: String| ServerError::Address { found, reason, expected };
        // an invalid address is not displayed, because it may contain a password
        let url = Url::parse(text).map_err(|error| {
            let scheme = text.split_once("://").map_or("…", |(scheme, _)| scheme);
            invalid(format!("{scheme}:…"), error.to_string())
        })?;
        let address = Self(url);
        match address.0.scheme() {
            scheme if !schemes.contains(&scheme) => Err(invalid(format!("{scheme}:…"), "unexpected scheme".into())),
            // part of a password with an unescaped '/', '#' or ':'
            _ if address.0.fragment().is_some() || address.0.path().contains('@') => Err(invalid(
                format!("{}:…", address.0.scheme()),
                "percent-encode '@', '/' and '#' in names and passwords".into(),
            )),
            _ if address.0.host_str().is_none_or(str::is_empty) => Err(invalid(address.to_string(), "no host".into())),
            _ => Ok(address),
        }
    }

    /// The URL with its password.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        // does not fail for URLs with a host
        if shown.password().is_some() {
            let _ = shown.set_password(Some("…"));
        }
        let parameters: Vec<String> = shown
            .query_pairs()
            .filter(|(key, _)| SHOWN.contains(&&**key))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        shown.set_query((!parameters.is_empty()).then(|| parameters.join("&")).as_deref());
        f.write_str(&shown.as_str().replace("%E2%80%A6", "…"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_displayed() {
        let shown = |text| Address::parse(text, &["postgres"], "…").map(|address| format!("{address} {address:?}"));
        for text in ["postgres://me:geheim@host/base?password=geheim", "postgres://me:geheim@host:5/base"] {
            let shown = shown(text).unwrap();
            assert!(!shown.contains("geheim") && shown.contains("me:…@host"), "{shown}");
        }
        for text in
            ["postgres://postgres://me:geheim@host/base", "postgres://me:5/geheim@host", "postgres://me:5#geheim@host"]
        {
            let error = shown(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
        for text in ["mysql://me:geheim@host", "postgres://me:geheim@", "me:geheim@host", "postgres://me:geheim@h:x/y"]
        {
            let error = shown(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
}
