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
pub(crate) use settings::address;

use crate::{
    config::StoreConfig,
    entry::{Entry, Hit, check_entries, check_store_query},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    store::VectorStore,
};

/// A store in a table of a [PostgreSQL](https://www.postgresql.org) database with
/// [pgvector](https://github.com/pgvector/pgvector) 0.8 or later, for collections that other programs use too, or that are
/// too large to compare every vector.
///
/// # Address
/// `postgres://user:password@host:port/database?table=name&sslmode=require`. The table is `elman` where none is named. Of
/// what else libpq knows, there are `dbname`, `options`, `application_name`, `host`, `hostaddr`, `port`, `connect_timeout`,
/// `keepalives` and its kin, `target_session_attrs` and `channel_binding`. What the address leaves open comes from
/// `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGPORT`, `PGSSLMODE` and `PGSSLROOTCERT`. Passwords are never shown in errors.
///
/// `sslmode` is `disable`, `prefer` (the default: encrypted where the server can, its certificate not looked at), `require`
/// (encrypted), `verify-ca` (and its certificate signed by an authority that is trusted) or `verify-full` (and made for its
/// name). Trusted are those in the file `sslrootcert`, or this machine's where none is named.
///
/// # The table
/// A row for each entry: `id`, `vector`, `text`, `metadata` as `jsonb`. What the store is, stands in the comment on the
/// table, which must not be changed. Other programs may read the table, and write it too. PostgreSQL's texts have no
/// character U+0000: an entry with one is refused. So is a vector that is longer than 10¹⁸, or where cosines are compared
/// shorter than 10⁻¹⁸, since pgvector sums squares in single precision.
///
/// # Changes
/// [`upsert`](VectorStore::upsert) and [`delete`](VectorStore::delete) are transactions: when they return, all of it is
/// kept; where they fail, none of it. [`flush`](VectorStore::flush) has nothing to do. When the server goes away, what was
/// asked of it is asked again until it is back, for a minute; this changes nothing twice.
///
/// # Search
/// Up to 10,000 entries, beyond 2,000 dimensions, and for more than 1,000 hits, every vector is compared. Else an HNSW index
/// is asked, which finds most of the nearest, but may miss some; where a filter leaves it with too few, every vector is
/// compared. Scores are exact. Hits with equal scores come in the order in which their ids were first stored, unless by the
/// index.
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
    /// Makes an empty store: its table, an index, and the extension `vector` where the database does not have it.
    ///
    /// # Errors
    /// If the length of vectors is 0 or above 16,000, the identity of the model is larger than 4096 bytes, or a
    /// [`ServerError`](crate::ServerError): the address is none, the server does not answer for five seconds, refuses the
    /// name or the password, has a table of this name, has no pgvector, or does not let this user make tables.
    pub fn create(address: &str, config: StoreConfig) -> Result<Self, IndexError> {
        if !(1..=table::MAX_DIM).contains(&config.d_embed) {
            return Err(IndexError::Dimension { limit: table::MAX_DIM, found: config.d_embed });
        }
        let sessions = sessions(address)?;
        table::create(&sessions, &config)?;
        Ok(Self::with(sessions, config))
    }

    /// Opens a store.
    ///
    /// # Errors
    /// A [`ServerError`](crate::ServerError): the address is none, the server does not answer for five seconds, refuses the
    /// name or the password, has no table of this name ([`NoStore`](crate::ServerError::NoStore)), or one that is no store
    /// or of a newer format.
    pub fn open(address: &str) -> Result<Self, IndexError> {
        let sessions = sessions(address)?;
        let config = table::open(&sessions)?;
        Ok(Self::with(sessions, config))
    }

    fn with(sessions: Sessions, config: StoreConfig) -> Self {
        let nearest = Nearest::new(config.metric, config.d_embed);
        Self { config, rows: Rows::new(sessions), nearest }
    }

    fn find(&self, query: &[f32], count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        let StoreConfig { d_embed, metric, .. } = self.config;
        check_store_query(query, d_embed, metric)?;
        entries::check_length(self.rows.sessions.server(), query, metric, || "the query".into())?;
        self.nearest.search(&self.rows, query, count, filter)
    }
}

fn sessions(address: &str) -> Result<Sessions, IndexError> {
    let settings = Settings::parse(address, |name| std::env::var(name).ok())?;
    Ok(Sessions::new(settings)?)
}

impl VectorStore for PostgresStore {
    fn dim(&self) -> usize {
        self.config.d_embed
    }

    fn metric(&self) -> Metric {
        self.config.metric
    }

    fn model(&self) -> &Value {
        &self.config.model
    }

    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.config.d_embed, self.config.metric)?;
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

    /// In the order in which their ids were first stored, some hundred at a time: an entry that is stored or deleted
    /// meanwhile may be visited or not.
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
