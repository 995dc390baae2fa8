//! Vector search: the trait [`VectorStore`] and its implementations.
//!
//! [`LocalStore`] stores entries (an id, a vector, its text and metadata) in a folder, in an SQLite database: changes
//! are durable when a call returns, a [`Filter`] selects by metadata, and full-text search complements vector search.
//! [`MemoryStore`] stores them in memory. Both compare a query with every vector by a [`Metric`]. With the feature
//! `graph`, a `LocalStore` can use an HNSW graph, which makes searches among millions of entries fast. The features
//! `postgres` and `milvus` add `PostgresStore` and `MilvusStore`, on servers; [`Location`] opens any of the stores. For
//! vectors without a store there are [`cosine`], [`dot`], [`euclidean`] and [`top_k`], and [`quantized`] stores vectors
//! in 1/4 or 1/32 of the memory.
//!
//! [`near_duplicates`], [`clusters`] and [`nearest_neighbors`] analyze a set of vectors.
//!
//! ```
//! use elman_index::{Entry, LocalStore, StoreConfig, VectorStore};
//!
//! # let parent = tempfile::tempdir().unwrap();
//! # let folder = parent.path().join("store");
//! let mut store = LocalStore::create(&folder, StoreConfig::new(2).with_model("my model"))?;
//! store.upsert(vec![
//!     Entry::new("notes:1", vec![0.9, 0.1], "a cat sat on the mat"),
//!     Entry::new("notes:2", vec![0.1, 0.9], "shares fell sharply"),
//! ])?;
//!
//! let store = LocalStore::open_read_only(&folder)?;
//! store.check_model(&"my model".into())?;
//! let hits = store.search(&[1.0, 0.0], 10)?;
//! assert_eq!(hits[0].text, "a cat sat on the mat");
//! # Ok::<(), elman_index::IndexError>(())
//! ```

mod clusters;
mod config;
mod duplicates;
mod entry;
mod error;
mod filter;
mod fusion;
mod local;
mod location;
mod matrix;
mod memory;
mod metric;
#[cfg(feature = "milvus")]
mod milvus;
mod neighbors;
#[cfg(feature = "postgres")]
mod postgres;
pub mod quantized;
mod rank;
#[cfg(feature = "server")]
mod server;
mod similarity;
mod store;
mod words;

pub use clusters::{Cluster, clusters};
pub use config::StoreConfig;
pub use duplicates::near_duplicates;
pub use entry::{Entry, Hit, MAX_DIM, Metadata};
pub use error::IndexError;
pub use filter::{Comparison, Field, Filter, Scalar};
pub use fusion::reciprocal_rank_fusion;
#[cfg(feature = "graph")]
pub use local::GraphInfo;
pub use local::LocalStore;
pub use location::{Location, OpenStore};
pub use memory::MemoryStore;
pub use metric::Metric;
#[cfg(feature = "milvus")]
pub use milvus::MilvusStore;
pub use neighbors::nearest_neighbors;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use rank::top_k;
#[cfg(feature = "server")]
pub use server::ServerError;
pub use similarity::{cosine, dot, euclidean};
pub use store::VectorStore;
pub use words::folded;
