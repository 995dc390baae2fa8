use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::server::ServerError;

/// How long a server is waited for that has never answered: its address may be wrong.
pub(crate) const FIRST: Duration = Duration::from_secs(5);
/// How long a server is waited for that went away.
pub(crate) const LATER: Duration = Duration::from_secs(60);

/// Runs what is asked of a server, and tries again where the server is away.
#[derive(Debug)]
pub(crate) struct Connection {
    /// How the server is called in errors.
    server: String,
    /// None once it is dropped.
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

    /// Waits for a future. From within an asynchronous program too, whose thread then waits.
    fn wait<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime.as_ref().expect("there until it is dropped");
        match Handle::try_current() {
            Err(_) => runtime.block_on(future),
            Ok(_) => std::thread::scope(|scope| {
                scope.spawn(|| runtime.block_on(future)).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }),
        }
    }

    /// Does something that may be done more than once, until it succeeds, fails for another reason than that the server
    /// is away, or the server has been away for as long as `patience`.
    pub(crate) fn run<T, F, Fut>(
        &self,
        patience: Duration,
        attempt: F,
        is_away: impl Fn(&ServerError) -> bool + Send,
    ) -> Result<T, ServerError>
    where
        T: Send,
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Result<T, ServerError>> + Send,
    {
        let begun = Instant::now();
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .with_jitter()
            .without_max_times()
            .with_total_delay(Some(patience));
        self.wait(attempt.retry(delays).when(is_away).into_future()).map_err(|error| match error {
            ServerError::Unreachable { server, source, .. } => {
                ServerError::Unreachable { server, source, waited: begun.elapsed() }
            }
            error => error,
        })
    }
}

impl Drop for Connection {
    /// A runtime that is dropped in an asynchronous program would panic.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
