//! Requests to a server, which are made again where the connection is lost.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_postgres::{Client, Error as PostgresError};

use crate::{
    postgres::{
        failure::{failure, is_passing},
        settings::Settings,
    },
    server::{Connection, ServerError},
};

/// The most connections that are kept while nobody needs them: one for each thread that asks at the same time.
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

    /// Makes a request that may be made more than once, on a connection of its own, until it succeeds, fails for another
    /// reason than that the server is away, or the server has been away for as long as `patience`. Where it fails, the
    /// connection is dropped, and a transaction that was begun on it is no more.
    pub(super) fn run<T, F, Fut>(&self, patience: Duration, request: F) -> Result<T, ServerError>
    where
        T: Send,
        F: Fn(Arc<Client>) -> Fut + Sync,
        Fut: Future<Output = Result<T, PostgresError>> + Send,
    {
        self.connection.run(patience, || self.attempt(&request), is_passing)
    }

    /// Makes a request that must not be made twice, when there is a connection.
    pub(super) fn once<T, F, Fut>(&self, patience: Duration, request: F) -> Result<T, ServerError>
    where
        T: Send,
        F: Fn(Arc<Client>) -> Fut + Sync,
        Fut: Future<Output = Result<T, PostgresError>> + Send,
    {
        self.run(patience, |client| async move { client.check_connection().await })?;
        self.connection.run(Duration::ZERO, || self.attempt(&request), |_| false)
    }

    async fn attempt<T, F, Fut>(&self, request: &F) -> Result<T, ServerError>
    where
        F: Fn(Arc<Client>) -> Fut,
        Fut: Future<Output = Result<T, PostgresError>>,
    {
        let client = self.client().await?;
        let value = request(client.clone()).await.map_err(|error| failure(self.server(), error))?;
        self.keep(client);
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
        // Ends when the client is dropped. How it ends, those who are waiting for an answer learn.
        tokio::spawn(async { drop(connection.await) });
        Ok(Arc::new(client))
    }

    fn keep(&self, client: Arc<Client>) {
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
