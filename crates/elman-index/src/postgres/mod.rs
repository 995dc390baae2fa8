mod condition;
mod entries;
mod failure;
mod nearest;
mod rows;
mod session;
mod settings;
mod table;
mod tls;

use nearest::Nearest;
use rows::Rows;
use serde_json::Value;
use session::Sessions;
use settings::Settings;
pub(crate) use settings::parse_address;

use crate::{
    config::StoreConfig,
    entry::{Entry, Hit, check_entries, check_store_query},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    store::VectorStore,
};

/// A store in a table of a [PostgreSQL](https://www.postgresql.org) database with
/// [pgvector](https://github.com/pgvector/pgvector) 0.8 or later, for stores that other programs use too, or that are
/// too large for exact search.
///
/// # Address
/// `postgres://user:password@host:port/database?table=name&sslmode=require`. The default table is `elman`. Other
/// supported parameters of libpq: `dbname`, `options`, `application_name`, `host`, `hostaddr`, `port`,
/// `connect_timeout`, `keepalives` and related ones, `target_session_attrs` and `channel_binding`. Defaults are the
/// environment variables `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGPORT`, `PGSSLMODE` and `PGSSLROOTCERT`. Errors never
/// contain passwords.
///
/// `sslmode` is `disable`, `prefer` (default: encrypted if the server supports it, certificate not verified), `require`
/// (encrypted), `verify-ca` (certificate signed by a trusted authority) or `verify-full` (also issued for the host
/// name). Trusted authorities are those in the file `sslrootcert`, or those of the operating system.
///
/// # The table
/// A row for each entry: `id`, `vector`, `text`, `metadata` as `jsonb`. The comment on the table stores the
/// configuration and must not be changed. Other programs may read and write the table. PostgreSQL text cannot contain
/// U+0000, so entries with it are rejected. So are vectors with a norm above 10¹⁸, or below 10⁻¹⁸ with the metric
/// cosine, because pgvector sums squares in `f32`.
///
/// # Transactions
/// [`upsert`](VectorStore::upsert) and [`delete`](VectorStore::delete) are transactions: committed when they return,
/// rolled back if they fail. [`flush`](VectorStore::flush) does nothing. If the server becomes unreachable, requests
/// are retried for a minute; they are idempotent.
///
/// # Search
/// Exact up to 10,000 entries, above 2,000 dimensions, and for more than 1,000 hits. Otherwise by an HNSW index, which
/// returns most of the nearest entries; if it returns too few that match a filter, the search is exact. Scores are
/// exact. Ties are in the order in which ids were first stored, except in results of the index.
///
/// ```no_run
/// use elman_index::{Entry, PostgresStore, StoreConfig, VectorStore};
///
/// let address = "postgres://me@localhost/notes?table=paragraphs";
/// let mut store = PostgresStore::create(address, StoreConfig::new(2).with_model("my model"))?;
/// store.upsert(vec![Entry::new("a", vec![0.9, 0.1], "a cat sat on the mat")])?;
///
/// let store = PostgresStore::open(address)?;
/// store.check_model(&"my model".into())?;
/// assert_eq!(store.search(&[1.0, 0.0], 1)?[0].id, "a");
/// # Ok::<(), elman_index::IndexError>(())
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    config: StoreConfig,
    rows: Rows,
    nearest: Nearest,
}

impl PostgresStore {
    /// Creates an empty store: its table, an index, and the extension `vector` if the database lacks it.
    ///
    /// # Errors
    /// If the dimension is 0 or above 16,000, or the identity of the model is larger than 4096 bytes; a
    /// [`ServerError`](crate::ServerError) if the address is invalid, the server does not respond for five seconds,
    /// rejects the credentials, has a table of this name, lacks pgvector, or does not let the user create tables.
    pub fn create(address: &str, config: StoreConfig) -> Result<Self, IndexError> {
        if !(1..=table::MAX_DIM).contains(&config.dim) {
            return Err(IndexError::Dimension { limit: table::MAX_DIM, found: config.dim });
        }
        let sessions = sessions(address)?;
        table::create(&sessions, &config)?;
        Ok(Self::new(sessions, config))
    }

    /// Opens a store.
    ///
    /// # Errors
    /// A [`ServerError`](crate::ServerError) if the address is invalid, the server does not respond for five seconds,
    /// rejects the credentials, has no table of this name ([`NoStore`](crate::ServerError::NoStore)), or one that is
    /// not a store or has a newer format.
    pub fn open(address: &str) -> Result<Self, IndexError> {
        let sessions = sessions(address)?;
        let config = table::open(&sessions)?;
        Ok(Self::new(sessions, config))
    }

    fn new(sessions: Sessions, config: StoreConfig) -> Self {
        let nearest = Nearest::new(config.metric, config.dim);
        Self { config, rows: Rows::new(sessions), nearest }
    }

    fn find(&self, query: &[f32], count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        let StoreConfig { dim, metric, .. } = self.config;
        check_store_query(query, dim, metric)?;
        entries::check_norm(self.rows.sessions.server(), query, metric, || "the query".into())?;
        self.nearest.search(&self.rows, query, count, filter)
    }
}

fn sessions(address: &str) -> Result<Sessions, IndexError> {
    let settings = Settings::parse(address, |name| std::env::var(name).ok())?;
    Ok(Sessions::new(settings)?)
}

impl VectorStore for PostgresStore {
    fn dim(&self) -> usize {
        self.config.dim
    }

    fn metric(&self) -> Metric {
        self.config.metric
    }

    fn model(&self) -> &Value {
        &self.config.model
    }

    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.config.dim, self.config.metric)?;
        self.rows.upsert(entries, self.config.metric)
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        self.rows.delete(ids)
    }

    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        Ok(self.rows.get(&[id])?.pop().flatten())
    }

    fn get_many(&self, ids: &[&str]) -> Result<Vec<Option<Entry>>, IndexError> {
        self.rows.get(ids)
    }

    /// Visits entries in the order in which ids were first stored, in pages: an entry that is inserted or deleted
    /// meanwhile may or may not be visited.
    fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError> {
        self.rows.check_fields(filter)?;
        self.rows.visit(filter, visit)
    }

    fn ids(&self, filter: Option<&Filter>) -> Result<Vec<String>, IndexError> {
        self.rows.check_fields(filter)?;
        self.rows.ids(filter)
    }

    fn fields(&self) -> Result<Vec<String>, IndexError> {
        self.rows.fields()
    }

    fn search(&self, query: &[f32], count: usize) -> Result<Vec<Hit>, IndexError> {
        self.find(query, count, None)
    }

    fn search_where(&self, query: &[f32], count: usize, filter: &Filter) -> Result<Vec<Hit>, IndexError> {
        self.find(query, count, Some(filter))
    }

    fn count(&self) -> Result<usize, IndexError> {
        self.rows.count()
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}
