//! What an address says: which server, as whom, how safely, and which table.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::form_urlencoded;

use crate::{
    postgres::tls::{self, Mode},
    server::{Address, ServerError},
};

/// How an address is written.
const EXPECTED: &str = "postgres://user:password@host:port/database?table=name&sslmode=require";
/// The most bytes of a name. PostgreSQL cuts off the rest, and two names could become one.
const MAX_NAME_BYTES: usize = 63;
const DEFAULT_TABLE: &str = "elman";

/// After this time without a packet a server is asked whether it is there, and given up on after three more.
const SILENCE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);

/// The address of a store, as it is written.
pub(crate) fn address(text: &str) -> Result<Address, ServerError> {
    Address::parse(text, &["postgres", "postgresql"], EXPECTED)
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) address: Address,
    pub(super) table: String,
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

impl Settings {
    /// Reads an address. What it leaves open, the variables of libpq say.
    pub(super) fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ServerError> {
        let address = address(text)?;
        let refused = |reason: String| ServerError::Address { found: address.to_string(), reason, expected: EXPECTED };

        let mut url = address.url().clone();
        let (mut table, mut mode, mut roots) = (None, None, None);
        let mut others = Vec::new();
        for part in url.query().unwrap_or_default().split('&') {
            // a plus sign is itself here, as libpq has it
            let decoded = part.replace('+', "%2B");
            let Some((key, value)) = form_urlencoded::parse(decoded.as_bytes()).next() else { continue };
            let own = match &*key {
                "table" => &mut table,
                "sslmode" => &mut mode,
                "sslrootcert" => &mut roots,
                _ => {
                    others.push(part.to_string());
                    continue;
                }
            };
            *own = Some(value.into_owned());
        }
        url.set_query((!others.is_empty()).then(|| others.join("&")).as_deref());
        if let (None, Some(port)) = (url.port(), variable("PGPORT")) {
            let port = port.parse().map_err(|_| refused(format!("PGPORT is '{}'", port.escape_debug())))?;
            url.set_port(Some(port)).map_err(|()| refused("it can have no port".into()))?;
        }
        let mut config: Config = url.as_str().parse().map_err(|error| refused(super::failure::told(&error)))?;

        let table = table.unwrap_or_else(|| DEFAULT_TABLE.into());
        if table.is_empty() || table.len() > MAX_NAME_BYTES || table.contains('\0') {
            return Err(refused(format!("the name of a table has 1 to {MAX_NAME_BYTES} bytes")));
        }
        fill(&mut config, &variable);
        let mode = mode.or_else(|| variable("PGSSLMODE")).unwrap_or_else(|| "prefer".into());
        let mode = Mode::named(&mode).ok_or_else(|| refused(format!("sslmode is '{}'", mode.escape_debug())))?;
        let roots = roots.or_else(|| variable("PGSSLROOTCERT"));
        config.ssl_mode(mode.negotiation());
        let tls = tls::connector(mode, roots.as_deref()).map_err(refused)?;
        Ok(Self { address, table, config, tls })
    }

    /// The name of the table as it stands in SQL.
    pub(super) fn quoted_table(&self) -> String {
        format!("\"{}\"", self.table.replace('"', "\"\""))
    }
}

/// Sets what the address does not.
fn fill(config: &mut Config, variable: &impl Fn(&str) -> Option<String>) {
    if let (None, Some(user)) = (config.get_user(), variable("PGUSER")) {
        config.user(user);
    }
    if let (None, Some(password)) = (config.get_password(), variable("PGPASSWORD")) {
        config.password(password);
    }
    if let (None, Some(database)) = (config.get_dbname(), variable("PGDATABASE")) {
        config.dbname(database);
    }
    if config.get_application_name().is_none() {
        config.application_name("elman");
    }
    config.get_connect_timeout().is_none().then(|| config.connect_timeout(CONNECT));
    config.get_tcp_user_timeout().is_none().then(|| config.tcp_user_timeout(4 * SILENCE));
    if config.get_keepalives_interval().is_none() && config.get_keepalives_retries().is_none() {
        config.keepalives_idle(SILENCE).keepalives_interval(SILENCE).keepalives_retries(3);
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    fn parse(text: &str) -> Settings {
        Settings::parse(text, |_| None).unwrap()
    }

    #[test]
    fn the_address_says_all() {
        let settings = parse("postgres://me:p%40ss@host:6543/base?table=my+%22table%22&sslmode=disable&options=-cx=y");
        let config = &settings.config;
        assert_eq!(settings.quoted_table(), "\"my+\"\"table\"\"\"");
        assert_eq!((config.get_user(), config.get_password()), (Some("me"), Some(&b"p@ss"[..])));
        assert_eq!((config.get_dbname(), config.get_ports()), (Some("base"), &[6543][..]));
        assert_eq!((config.get_ssl_mode(), config.get_options()), (SslMode::Disable, Some("-cx=y")));
        assert_eq!(parse("postgresql://host").table, "elman");
    }

    #[test]
    fn the_environment_says_the_rest() {
        let variable = |name: &str| Some(if name == "PGPORT" { "77" } else { "prefer" }.to_string());
        let settings = Settings::parse("postgres://host", |name| variable(name).filter(|_| name != "PGSSLROOTCERT"));
        let config = settings.unwrap().config;
        assert_eq!((config.get_user(), config.get_password()), (Some("prefer"), Some(&b"prefer"[..])));
        assert_eq!((config.get_dbname(), config.get_ports()), (Some("prefer"), &[77][..]));
        let config = Settings::parse("postgres://me:word@host:5/base?sslmode=require", variable);
        assert!(config.err().unwrap().to_string().contains("'prefer'"), "a file of that name is not there");
    }

    #[test]
    fn what_is_no_address_is_told_without_its_password() {
        for (text, reason) in [
            ("postgres://me:geheim@host/base?sslmode=no", "sslmode is 'no'"),
            ("postgres://me:geheim@host/base?colour=geheim", "unknown option `colour`"),
            ("postgres://me:geheim@host/base?table=", "the name of a table has 1 to 63 bytes"),
            ("postgres://me:geheim@host/base?sslmode=verify-full&sslrootcert=/nowhere", "'/nowhere'"),
        ] {
            let error = Settings::parse(text, |_| None).err().unwrap();
            assert!(matches!(error, ServerError::Address { .. }));
            assert!(error.to_string().contains(reason) && !format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
}
