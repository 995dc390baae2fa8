//! Connection pool, and requests with retries.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_postgres::{Client, Error as PostgresError};

use crate::{
    postgres::{
        failure::{failure, is_transient},
        settings::Settings,
    },
    server::{Connection, ServerError},
};

/// Maximum number of idle connections. Each concurrent request uses one.
const MAX_IDLE: usize = 8;

pub(super) struct Sessions {
    settings: Settings,
    connection: Connection,
    idle: Mutex<Vec<Arc<Client>>>,
}

impl Sessions {
    pub(super) fn new(settings: Settings) -> Result<Self, ServerError> {
        let connection = Connection::new(settings.address.to_string())?;
        Ok(Self { settings, connection, idle: Mutex::default() })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn server(&self) -> &str {
        self.connection.server()
    }

    /// Makes an idempotent request on a connection of its own. Repeats it until it succeeds, fails with an error that
    /// is not transient, or `timeout` has passed. A failed request drops its connection, which rolls back its
    /// transaction.
    pub(super) fn run<T, F, Fut>(&self, timeout: Duration, request: F) -> Result<T, ServerError>
    where
        T: Send,
        F: Fn(Arc<Client>) -> Fut + Sync,
        Fut: Future<Output = Result<T, PostgresError>> + Send,
    {
        self.connection.run(timeout, || self.attempt(&request), is_transient)
    }

    /// Makes a request that must not be repeated, once a connection is established.
    pub(super) fn once<T, F, Fut>(&self, timeout: Duration, request: F) -> Result<T, ServerError>
    where
        T: Send,
        F: Fn(Arc<Client>) -> Fut + Sync,
        Fut: Future<Output = Result<T, PostgresError>> + Send,
    {
        self.run(timeout, |client| async move { client.check_connection().await })?;
        self.connection.run(Duration::ZERO, || self.attempt(&request), |_| false)
    }

    async fn attempt<T, F, Fut>(&self, request: &F) -> Result<T, ServerError>
    where
        F: Fn(Arc<Client>) -> Fut,
        Fut: Future<Output = Result<T, PostgresError>>,
    {
        let client = self.client().await?;
        let value = request(client.clone()).await.map_err(|error| failure(self.server(), error))?;
        self.release(client);
        Ok(value)
    }

    async fn client(&self) -> Result<Arc<Client>, ServerError> {
        while let Some(client) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            if !client.is_closed() {
                return Ok(client);
            }
        }
        let Settings { config, tls, .. } = &self.settings;
        let (client, connection) = config.connect(tls.clone()).await.map_err(|error| failure(self.server(), error))?;
        // ends when the client is dropped; pending requests receive its error
        tokio::spawn(async { drop(connection.await) });
        Ok(Arc::new(client))
    }

    /// Returns a connection to the pool.
    fn release(&self, client: Arc<Client>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(client);
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("address", &self.settings.address)
            .field("table", &self.settings.table)
            .finish_non_exhaustive()
    }
}
