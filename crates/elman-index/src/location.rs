use std::{
    ffi::OsStr,
    fmt,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
};

#[cfg(feature = "milvus")]
use crate::MilvusStore;
#[cfg(feature = "postgres")]
use crate::PostgresStore;
use crate::{config::StoreConfig, error::IndexError, local::LocalStore, store::VectorStore};

/// Where a store is: a folder, or the address of a server, as a user writes it.
///
/// `postgres://…` and `postgresql://…` are `PostgresStore`'s, with the feature `postgres`; `milvus://…` and `milvuss://…`
/// are `MilvusStore`'s, with the feature `milvus`; all that has no `://` is a [`LocalStore`]'s folder. Shown without
/// passwords.
///
/// ```
/// use elman_index::{Location, StoreConfig, VectorStore};
///
/// # let parent = tempfile::tempdir().unwrap();
/// # let folder = parent.path().join("store");
/// let location = Location::new(&folder)?;
/// assert!(location.open().is_err_and(|error| error.is_absent()));
/// let store = location.create(StoreConfig::new(3))?;
/// assert_eq!(store.count()?, 0);
/// # Ok::<(), elman_index::IndexError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Folder(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(crate::server::Address),
    #[cfg(feature = "milvus")]
    Milvus(crate::server::Address),
}

impl Location {
    /// Reads a location.
    ///
    /// # Errors
    /// If it is an address of a kind that is not known or not built in, or is badly written.
    pub fn new(text: impl AsRef<OsStr>) -> Result<Self, IndexError> {
        let text = text.as_ref();
        let scheme = text.to_str().and_then(|text| text.split_once("://")).map(|(scheme, _)| scheme);
        let place = match (scheme, text.to_str()) {
            #[cfg(feature = "postgres")]
            (Some("postgres" | "postgresql"), Some(address)) => Place::Postgres(crate::postgres::address(address)?),
            #[cfg(feature = "milvus")]
            (Some("milvus" | "milvuss"), Some(address)) => Place::Milvus(crate::milvus::address(address)?),
            (Some(scheme), _) => return Err(IndexError::Scheme { found: scheme.into(), missing: missing(scheme) }),
            (None, _) => Place::Folder(text.into()),
        };
        Ok(Self(place))
    }

    /// The folder, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.0 {
            Place::Folder(folder) => Some(folder),
            #[cfg(any(feature = "milvus", feature = "postgres"))]
            _ => None,
        }
    }

    /// Makes an empty store and opens it for writing.
    ///
    /// # Errors
    /// As the kind of store has it.
    pub fn create(&self, config: StoreConfig) -> Result<OpenStore, IndexError> {
        Ok(match &self.0 {
            Place::Folder(folder) => OpenStore::Local(Box::new(LocalStore::create(folder, config)?)),
            #[cfg(feature = "postgres")]
            Place::Postgres(address) => {
                OpenStore::Server(Box::new(PostgresStore::create(address.url().as_str(), config)?))
            }
            #[cfg(feature = "milvus")]
            Place::Milvus(address) => OpenStore::Server(Box::new(MilvusStore::create(address.url().as_str(), config)?)),
        })
    }

    /// Opens a store for writing.
    ///
    /// # Errors
    /// As the kind of store has it; [`IndexError::is_absent`] tells whether there is none.
    pub fn open(&self) -> Result<OpenStore, IndexError> {
        match &self.0 {
            Place::Folder(folder) => Ok(OpenStore::Local(Box::new(LocalStore::open(folder)?))),
            #[cfg(any(feature = "milvus", feature = "postgres"))]
            _ => self.open_read_only(),
        }
    }

    /// Opens a store to read; on a server, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_read_only(&self) -> Result<OpenStore, IndexError> {
        Ok(match &self.0 {
            Place::Folder(folder) => OpenStore::Local(Box::new(LocalStore::open_read_only(folder)?)),
            #[cfg(feature = "postgres")]
            Place::Postgres(address) => OpenStore::Server(Box::new(PostgresStore::open(address.url().as_str())?)),
            #[cfg(feature = "milvus")]
            Place::Milvus(address) => OpenStore::Server(Box::new(MilvusStore::open(address.url().as_str())?)),
        })
    }
}

/// The feature that knows addresses of this kind, which is not built in.
fn missing(scheme: &str) -> Option<&'static str> {
    match scheme {
        "postgres" | "postgresql" => Some("postgres"),
        "milvus" | "milvuss" => Some("milvus"),
        _ => None,
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Folder(folder) => folder.display().fmt(f),
            #[cfg(feature = "postgres")]
            Place::Postgres(address) => address.fmt(f),
            #[cfg(feature = "milvus")]
            Place::Milvus(address) => address.fmt(f),
        }
    }
}

/// A store that is open, wherever it is.
pub enum OpenStore {
    /// In a folder.
    Local(Box<LocalStore>),
    /// On a server.
    Server(Box<dyn VectorStore + Send>),
}

impl OpenStore {
    /// The store, where it is in a folder: it has more to offer.
    pub fn local(&self) -> Option<&LocalStore> {
        match self {
            Self::Local(store) => Some(store),
            Self::Server(_) => None,
        }
    }
}

impl Deref for OpenStore {
    type Target = dyn VectorStore + Send;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Local(store) => &**store,
            Self::Server(store) => store.as_ref(),
        }
    }
}

impl DerefMut for OpenStore {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Local(store) => &mut **store,
            Self::Server(store) => store.as_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_a_folder() {
        for folder in ["notes", "/a b/c", "C:\\notes", "postgres:", "a:b//c"] {
            assert_eq!(Location::new(folder).unwrap().folder(), Some(Path::new(folder)));
        }
        let error = Location::new("http://me:geheim@host/x").unwrap_err().to_string();
        assert!(error.contains("'http'") && !error.contains("geheim"), "{error}");
    }

    #[cfg(not(feature = "milvus"))]
    #[test]
    fn an_address_that_is_not_built_in_says_so() {
        let error = Location::new("milvus://localhost/x").unwrap_err().to_string();
        assert!(error.contains("feature 'milvus'"), "{error}");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn addresses_are_shown_without_their_passwords() {
        let location = Location::new("postgres://me:geheim@host/x?password=geheim&table=t").unwrap();
        assert_eq!((location.to_string().as_str(), location.folder()), ("postgres://me:…@host/x?table=t", None));
        assert!(!format!("{location:?}").contains("geheim"));
    }
}
