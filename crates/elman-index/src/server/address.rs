use std::fmt;

use url::Url;

use crate::server::ServerError;

/// What is shown of what stands behind the question mark: it may hold keys.
const SHOWN: [&str; 2] = ["db", "table"];

/// The address of a store on a server. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(Url);

impl Address {
    /// Reads an address whose scheme is one of these.
    pub(crate) fn parse(text: &str, schemes: &[&str], expected: &'static str) -> Result<Self, ServerError> {
        let refused = |found: String, reason: String| ServerError::Address { found, reason, expected };
        // what is no address is not shown: a part of it may be a password
        let url = Url::parse(text).map_err(|error| {
            let scheme = text.split_once("://").map_or("…", |(scheme, _)| scheme);
            refused(format!("{scheme}:…"), error.to_string())
        })?;
        let address = Self(url);
        match address.0.scheme() {
            scheme if !schemes.contains(&scheme) => Err(refused(format!("{scheme}:…"), "another scheme".into())),
            _ if address.0.host_str().is_none_or(str::is_empty) => Err(refused(address.to_string(), "no host".into())),
            _ => Ok(address),
        }
    }

    /// All of it, password included.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        // does not fail for an address with a host
        if shown.password().is_some() {
            let _ = shown.set_password(Some("…"));
        }
        let named: Vec<String> = shown
            .query_pairs()
            .filter(|(key, _)| SHOWN.contains(&&**key))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        shown.set_query((!named.is_empty()).then(|| named.join("&")).as_deref());
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
    fn passwords_are_not_shown() {
        let shown = |text| Address::parse(text, &["postgres"], "…").map(|address| format!("{address} {address:?}"));
        for text in ["postgres://me:geheim@host/base?password=geheim", "postgres://me:geheim@host:5/base"] {
            let shown = shown(text).unwrap();
            assert!(!shown.contains("geheim") && shown.contains("me:…@host"), "{shown}");
        }
        for text in ["mysql://me:geheim@host", "postgres://me:geheim@", "me:geheim@host", "postgres://me:geheim@h:x/y"]
        {
            let error = shown(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
}
