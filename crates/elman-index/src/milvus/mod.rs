mod client;
mod condition;
mod failure;
#[cfg(test)]
mod fake;
mod place;
mod reading;
mod rows;
mod schema;
mod search;

use std::{fmt, ops::ControlFlow};

use client::Client;
use place::Place;
pub(crate) use place::address;
use schema::{ID, MAX_DIMENSION, METADATA, TEXT, VECTOR};
use serde_json::Value;

use crate::{
    config::StoreConfig,
    entry::{Entry, Hit, check_d_embed, check_entries, check_store_query},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    store::VectorStore,
};

/// A store in a collection of a [Milvus](https://milvus.io) server, for collections that are too large to be searched
/// exactly, or that several machines use.
///
/// # Address
/// `milvus://[user:password@]host[:port][/collection][?db=database]`; `milvuss://` for a connection with TLS, whose
/// certificate is checked against those that the operating system trusts. The port is 19530 and the collection `elman`
/// unless the address says otherwise. Without a user, the variable `MILVUS_TOKEN` of the environment may hold a token.
/// What is not a letter or digit in a password is written as `%` and two digits.
///
/// # The collection
/// `id` (VarChar, the primary key), `text` (VarChar), `metadata` (JSON, which may be null), and `vector` (FloatVector)
/// with an index of the type AUTOINDEX. A property says the format, the length of vectors, the metric and the model.
/// Vectors have at most 32,768 dimensions, ids and texts at most 65,535 bytes, metadata at most 65,536 as JSON.
///
/// # Changes
/// Entries are sent in parts of up to 4 MiB. When a change returns, the server has acknowledged it, and every read sees
/// it; [`flush`](VectorStore::flush) has nothing to do. Where it fails in between, some of the parts may be there. To do
/// it again does no harm.
///
/// Where the server goes away, requests wait for a minute and try again, and what was begun goes on. An address that
/// never answered is given up after 5 seconds.
///
/// # Search
/// Approximate: an index may miss near entries for the sake of speed. It never returns fewer than there are. Where more
/// are asked for than the 16,384 that a server returns, every entry is read and compared here, which is exact, and slow.
///
/// The server is told of a filter: comparisons with values of fields whose keys are ASCII letters, digits, spaces, `_`
/// and `-`, joined by `and` and `or`, and sets of up to 256 values. Every hit is then checked here, and more are asked
/// for while it is one too few: so `not`, `!=` and what else the server is not told of is slower, and never wrong.
///
/// Nothing is told to anybody about how the server is used; its client would.
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
    /// Makes an empty collection and opens it.
    ///
    /// # Errors
    /// [`ServerError::Exists`](crate::ServerError::Exists) if there is a collection of this name already; if the address is none, the server does not
    /// answer or refuses the name or password, the length of vectors is 0 or above 32,768, or the identity of the model
    /// is larger than 4096 bytes.
    pub fn create(url: &str, config: StoreConfig) -> Result<Self, IndexError> {
        check_d_embed(config.d_embed)?;
        config.checked_model()?;
        let place = Place::parse(url)?;
        if config.d_embed > MAX_DIMENSION {
            return Err(IndexError::Dimension { limit: MAX_DIMENSION, found: config.d_embed });
        }
        let client = Client::create(&place, &config)?;
        Ok(Self { client, config })
    }

    /// Opens a collection.
    ///
    /// # Errors
    /// [`ServerError::NoStore`](crate::ServerError::NoStore) if there is none of this name; [`ServerError::NotAStore`](crate::ServerError::NotAStore) if elman did not make it, or a
    /// newer version did; if the address is none, or the server does not answer or refuses the name or password.
    pub fn open(url: &str) -> Result<Self, IndexError> {
        let (client, config) = Client::open(&Place::parse(url)?)?;
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
        self.config.d_embed
    }

    fn metric(&self) -> Metric {
        self.config.metric
    }

    fn model(&self) -> &Value {
        &self.config.model
    }

    /// # Errors
    /// As the trait has it, and [`ServerError::TooLong`](crate::ServerError::TooLong) where an id, a text or metadata are longer than Milvus keeps.
    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.config.d_embed, self.config.metric)?;
        rows::check_lengths(self.client.server(), &entries)?;
        Ok(rows::batches(entries).try_for_each(|batch| self.client.upsert(batch))?)
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        Ok(reading::batches_of_ids(ids).try_for_each(|ids| self.client.delete(&condition::is_one_of(ids)))?)
    }

    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        Ok(self.get_many(&[id])?.pop().flatten())
    }

    fn get_many(&self, ids: &[&str]) -> Result<Vec<Option<Entry>>, IndexError> {
        let mut distinct = ids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let found = self.client.with_ids(&distinct, &[ID, TEXT, METADATA, VECTOR])?;
        Ok(ids.iter().map(|&id| found.get(id).cloned()).collect())
    }

    /// In the order of the ids.
    fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError> {
        self.visit_with(&[ID, TEXT, METADATA, VECTOR], self.config.d_embed, filter, visit)
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
        check_store_query(query, self.config.d_embed, self.config.metric)?;
        self.client.nearest(self.config.metric, query, count, None)
    }

    fn search_where(&self, query: &[f32], count: usize, filter: &Filter) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.config.d_embed, self.config.metric)?;
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
        d_embed: usize,
        filter: Option<&Filter>,
        visit: &mut dyn FnMut(Entry),
    ) -> Result<(), IndexError> {
        let mut condition = String::new();
        if let Some(filter) = filter {
            self.client.check_fields(filter, std::iter::empty())?;
            condition = condition::of(filter).unwrap_or_default();
        }
        Ok(self.client.pages(&condition, fields, d_embed, |entry| {
            if filter.is_none_or(|filter| filter.matches(entry.metadata.as_ref())) {
                visit(entry);
            }
            ControlFlow::Continue(())
        })?)
    }
}
