//! A server for tests: `.ci/postgres` starts one and prints what the variable `ELMAN_TEST_POSTGRES` is to hold.

#![allow(dead_code, reason = "each test program needs a part of it")]

use std::{env, sync::atomic::AtomicU32, sync::atomic::Ordering};

use tokio_postgres::NoTls;

/// The value of a variable, unless the tests that need it are to be left out.
pub fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    if value.is_none() {
        assert!(env::var_os("ELMAN_REQUIRE_SERVERS").is_none_or(|value| value != "1"), "{name} is not set");
        println!("left out: {name} is not set");
    }
    value
}

/// The server's address, without a table. It has a query.
pub fn server() -> Option<String> {
    variable("ELMAN_TEST_POSTGRES")
}

/// The name of a table that no other test uses. It is dropped with this.
pub struct Table {
    server: String,
    name: String,
}

impl Table {
    pub fn new(server: &str) -> Self {
        Self::named(server, "test")
    }

    /// A table whose name begins with a text.
    pub fn named(server: &str, begin: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { server: server.into(), name: format!("{begin} {} {number}", std::process::id()) }
    }

    pub fn address(&self) -> String {
        let name: String = url::form_urlencoded::byte_serialize(self.name.as_bytes()).collect();
        format!("{}&table={}", self.server, name.replace('+', "%20"))
    }

    /// Its name in SQL.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }

    /// Does something that is not done by a store.
    pub fn execute(&self, sql: &str) {
        execute(&self.server, sql).unwrap();
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // where a test fails, because the server is away, its reason is the one to see
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
