mod address;
mod client;
mod condition;
mod failure;
#[cfg(test)]
mod fake_server;
mod paging;
mod rows;
mod schema;
mod search;

use std::{fmt, ops::ControlFlow};

use address::MilvusAddress;
pub(crate) use address::parse_address;
use client::Client;
use schema::{ID, MAX_DIM, METADATA, TEXT, VECTOR};
use serde_json::Value;

use crate::{
    config::StoreConfig,
    entry::{Entry, Hit, check_dim, check_entries, check_store_query},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    store::VectorStore,
};

/// A store in a collection of a [Milvus](https://milvus.io) server, for stores that are too large for exact search or
/// that several machines use.
///
/// # Address
/// `milvus://[user:password@]host[:port][/collection][?db=database]`; `milvuss://` for TLS, with the certificates that
/// the operating system trusts. The default port is 19530, the default collection `elman`. Without a user, the
/// environment variable `MILVUS_TOKEN` can hold a token. Special characters in passwords must be percent-encoded.
///
/// # The collection
/// `id` (VarChar, primary key), `text` (VarChar), `metadata` (JSON, nullable), and `vector` (FloatVector) with an index
/// of type AUTOINDEX. A property stores the format, dimension, metric and model. Limits: 32,768 dimensions, 65,535
/// bytes for ids and texts, 65,536 bytes of JSON for metadata.
///
/// # Writes
/// Entries are sent in batches of up to 4 MiB. When a call returns, the server has acknowledged the change, and all
/// reads see it; [`flush`](VectorStore::flush) does nothing. If a call fails, some of its batches may have been
/// written; writes are idempotent, so the call can be repeated.
///
/// If the server becomes unreachable, requests are retried for a minute. A server that never responded is given up
/// after 5 seconds.
///
/// # Search
/// Approximate: the index can miss near entries, but a search never returns fewer hits than exist. For more than 16,384
/// hits, the limit of a server, the client reads and compares all entries, which is exact and slow.
///
/// Filters are sent to the server as far as it supports them: comparisons of fields whose keys are ASCII letters,
/// digits, spaces, `_` and `-`, joined by `and` and `or`, and sets of up to 256 values. The client checks every hit,
/// and requests more if there are too few. Filters with `not`, `!=` and other unsupported parts are therefore slower,
/// but correct.
///
/// The client's telemetry is disabled.
///
/// ```no_run
/// use elman_index::{Entry, MilvusStore, StoreConfig, VectorStore};
///
/// let mut store = MilvusStore::create("milvus://localhost/notes", StoreConfig::new(2).with_model("my model"))?;
/// store.upsert(vec![Entry::new("a", vec![0.9, 0.1], "a cat sat on the mat")])?;
///
/// let store = MilvusStore::open("milvus://localhost/notes")?;
/// assert_eq!(store.search(&[1.0, 0.0], 1)?[0].id, "a");
/// # Ok::<(), elman_index::IndexError>(())
/// ```
pub struct MilvusStore {
    client: Client,
    config: StoreConfig,
}

impl MilvusStore {
    /// Creates an empty collection and opens it.
    ///
    /// # Errors
    /// [`ServerError::Exists`](crate::ServerError::Exists) if the collection exists already; also if the address is
    /// invalid, the server is unreachable or rejects the credentials, the dimension is 0 or above 32,768, or the
    /// identity of the model is larger than 4096 bytes.
    pub fn create(url: &str, config: StoreConfig) -> Result<Self, IndexError> {
        check_dim(config.dim)?;
        config.checked_model()?;
        let address = MilvusAddress::parse(url)?;
        if config.dim > MAX_DIM {
            return Err(IndexError::Dimension { limit: MAX_DIM, found: config.dim });
        }
        let client = Client::create(&address, &config)?;
        Ok(Self { client, config })
    }

    /// Opens a collection.
    ///
    /// # Errors
    /// [`ServerError::NoStore`](crate::ServerError::NoStore) if the collection does not exist;
    /// [`ServerError::NotAStore`](crate::ServerError::NotAStore) if elman did not create it, or a newer version did;
    /// also if the address is invalid, or the server is unreachable or rejects the credentials.
    pub fn open(url: &str) -> Result<Self, IndexError> {
        let (client, config) = Client::open(&MilvusAddress::parse(url)?)?;
        Ok(Self { client, config })
    }
}

impl fmt::Debug for MilvusStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MilvusStore").field("server", &self.client.server()).field("config", &self.config).finish()
    }
}

impl VectorStore for MilvusStore {
    fn dim(&self) -> usize {
        self.config.dim
    }

    fn metric(&self) -> Metric {
        self.config.metric
    }

    fn model(&self) -> &Value {
        &self.config.model
    }

    /// # Errors
    /// See the trait; also [`ServerError::TooLong`](crate::ServerError::TooLong) if an id, a text or metadata exceeds
    /// the limits of Milvus.
    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.config.dim, self.config.metric)?;
        rows::check_lengths(self.client.server(), &entries)?;
        Ok(rows::batches(entries).try_for_each(|batch| self.client.upsert(batch))?)
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        Ok(paging::id_batches(ids).try_for_each(|ids| self.client.delete(&condition::is_one_of(ids)))?)
    }

    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        Ok(self.get_many(&[id])?.pop().flatten())
    }

    fn get_many(&self, ids: &[&str]) -> Result<Vec<Option<Entry>>, IndexError> {
        let mut distinct = ids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let found = self.client.entries_by_id(&distinct, &[ID, TEXT, METADATA, VECTOR])?;
        Ok(ids.iter().map(|&id| found.get(id).cloned()).collect())
    }

    /// Visits entries in the order of their ids.
    fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError> {
        self.visit_with(&[ID, TEXT, METADATA, VECTOR], self.config.dim, filter, visit)
    }

    fn ids(&self, filter: Option<&Filter>) -> Result<Vec<String>, IndexError> {
        let fields: &[&str] = if filter.is_some() { &[ID, METADATA] } else { &[ID] };
        let mut ids = Vec::new();
        self.visit_with(fields, 0, filter, &mut |entry| ids.push(entry.id))?;
        Ok(ids)
    }

    fn fields(&self) -> Result<Vec<String>, IndexError> {
        Ok(self.client.fields()?)
    }

    fn search(&self, query: &[f32], count: usize) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.config.dim, self.config.metric)?;
        self.client.nearest(self.config.metric, query, count, None)
    }

    fn search_where(&self, query: &[f32], count: usize, filter: &Filter) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.config.dim, self.config.metric)?;
        self.client.nearest(self.config.metric, query, count, Some(filter))
    }

    fn count(&self) -> Result<usize, IndexError> {
        Ok(self.client.count("")?)
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}

impl MilvusStore {
    fn visit_with(
        &self,
        fields: &[&str],
        dim: usize,
        filter: Option<&Filter>,
        visit: &mut dyn FnMut(Entry),
    ) -> Result<(), IndexError> {
        let mut condition = String::new();
        if let Some(filter) = filter {
            self.client.check_fields(filter, std::iter::empty())?;
            condition = condition::from_filter(filter).unwrap_or_default();
        }
        Ok(self.client.for_each_entry(&condition, fields, dim, |entry| {
            if filter.is_none_or(|filter| filter.matches(entry.metadata.as_ref())) {
                visit(entry);
            }
            ControlFlow::Continue(())
        })?)
    }
}
