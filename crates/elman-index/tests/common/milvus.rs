//! A Milvus server for tests: `ELMAN_TEST_MILVUS` holds its address.

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
};

use milvus::v2::{
    ClientV2, ConnectConfig, TelemetryConfig,
    error::{Error, Result as SdkResult},
    request::collection::DropCollectionRequest,
};
use tokio::runtime::{Builder, Runtime};
use url::Url;

fn address() -> Option<Url> {
    Some(env::var("ELMAN_TEST_MILVUS").ok()?.parse().expect("ELMAN_TEST_MILVUS holds an address"))
}

/// Whether a server is configured. Prints a message if not, or panics if `ELMAN_REQUIRE_SERVERS` is set.
pub fn is_available() -> bool {
    let available = address().is_some();
    assert!(available || env::var_os("ELMAN_REQUIRE_SERVERS").is_none(), "ELMAN_TEST_MILVUS holds no address");
    if !available {
        println!("skipped: ELMAN_TEST_MILVUS holds no address of a Milvus server");
    }
    available
}

/// The name of a collection, which is dropped together with this value.
pub struct Collection(Url);

impl Collection {
    /// A unique name.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut url = address().expect("checked by the test");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        url.set_path(&format!("/elman_test_{}_{count}", std::process::id()));
        Self(url)
    }

    pub fn url(&self) -> &str {
        self.0.as_str()
    }

    pub fn name(&self) -> &str {
        self.0.path().trim_start_matches('/')
    }

    /// Makes a request with the client itself.
    #[allow(dead_code, reason = "not used by all test programs")]
    pub fn with<T, F: Future<Output = SdkResult<T>>>(&self, act: impl FnOnce(ClientV2) -> F) -> T {
        self.attempt(act).unwrap()
    }

    fn attempt<T, F: Future<Output = SdkResult<T>>>(&self, act: impl FnOnce(ClientV2) -> F) -> Result<T, Box<Error>> {
        let runtime: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = &self.0;
            let scheme = if url.scheme() == "milvuss" { "https" } else { "http" };
            let (host, port) = (url.host_str().expect("a host"), url.port().unwrap_or(19530));
            let mut config = ConnectConfig::new()
                .uri(format!("{scheme}://{host}:{port}"))
                .telemetry(TelemetryConfig::new().enabled(false));
            if let Some(password) = url.password() {
                config = config.token(format!("{}:{password}", url.username()));
            }
            if let Some((_, database)) = url.query_pairs().find(|(name, _)| name == "db") {
                config = config.database(database);
            }
            act(ClientV2::new(&config).await?).await.map_err(Box::new)
        })
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        let name = self.name();
        let dropped = self.attempt(|client| async move {
            client.drop_collection(DropCollectionRequest::builder().collection_name(name).build()?).await
        });
        if let Err(error) = dropped {
            println!("cannot drop {name}: {error}");
        }
    }
}
