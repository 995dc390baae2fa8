//! A PostgreSQL server for tests. `.ci/postgres` starts one and prints the value for `ELMAN_TEST_POSTGRES`.

#![allow(dead_code, reason = "not used by all test programs")]

use std::{env, sync::atomic::AtomicU32, sync::atomic::Ordering};

use tokio_postgres::NoTls;

/// The value of an environment variable, or `None` to skip the tests that need it.
pub fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    if value.is_none() {
        assert!(env::var_os("ELMAN_REQUIRE_SERVERS").is_none_or(|value| value != "1"), "{name} is not set");
        println!("skipped: {name} is not set");
    }
    value
}

/// The server's address, which has a query, but no table.
pub fn server() -> Option<String> {
    variable("ELMAN_TEST_POSTGRES")
}

/// The unique name of a table, which is dropped together with this value.
pub struct Table {
    server: String,
    name: String,
}

impl Table {
    pub fn new(server: &str) -> Self {
        Self::named(server, "test")
    }

    /// A table whose name begins with `prefix`.
    pub fn named(server: &str, prefix: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { server: server.into(), name: format!("{prefix} {} {number}", std::process::id()) }
    }

    pub fn address(&self) -> String {
        let name: String = url::form_urlencoded::byte_serialize(self.name.as_bytes()).collect();
        format!("{}&table={}", self.server, name.replace('+', "%20"))
    }

    /// The quoted name for SQL.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }

    /// Executes SQL.
    pub fn execute(&self, sql: &str) {
        execute(&self.server, sql).unwrap();
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // if the server is unreachable, the error of the test itself is the relevant one
        let _ = execute(&self.server, &format!("DROP TABLE IF EXISTS {}", self.quoted()));
    }
}

fn execute(server: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (address, _) = server.split_once('?').expect("the address has a query");
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(sql).await
    })
}
