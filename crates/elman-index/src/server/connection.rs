use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::server::ServerError;

/// How long to retry if the server has never responded: its address may be wrong.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to retry if the server has become unreachable.
pub(crate) const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs requests to a server, with retries.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Name of the server in errors.
    server: String,
    /// `None` only while dropping.
    runtime: Option<Runtime>,
}

impl Connection {
    pub(crate) fn new(server: String) -> Result<Self, ServerError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime =
            runtime.map_err(|source| ServerError::Failed { server: server.clone(), source: source.into() })?;
        Ok(Self { server, runtime: Some(runtime) })
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Blocks on a future, also inside an async runtime, whose thread then blocks.
    fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime.as_ref().expect("present until dropped");
        match Handle::try_current() {
            Err(_) => runtime.block_on(future),
            Ok(_) => std::thread::scope(|scope| {
                scope.spawn(|| runtime.block_on(future)).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }),
        }
    }

    /// Repeats an idempotent `attempt` until it succeeds, fails with an error that is not transient, or `timeout` has
    /// passed.
    pub(crate) fn run<T, F, Fut>(
        &self,
        timeout: Duration,
        attempt: F,
        is_transient: impl Fn(&ServerError) -> bool + Send,
    ) -> Result<T, ServerError>
    where
        T: Send,
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Result<T, ServerError>> + Send,
    {
        let start = Instant::now();
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .with_jitter()
            .without_max_times()
            .with_total_delay(Some(timeout));
        self.block_on(attempt.retry(delays).when(is_transient).into_future()).map_err(|error| match error {
            ServerError::Unreachable { server, source, .. } => {
                ServerError::Unreachable { server, source, waited: start.elapsed() }
            }
            error => error,
        })
    }
}

impl Drop for Connection {
    /// Dropping a runtime inside another runtime would panic.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
