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

/// The location of a store: a folder, or the address of a server, as a user writes it.
///
/// `postgres://…` and `postgresql://…` open a `PostgresStore` (feature `postgres`), `milvus://…` and `milvuss://…` a
/// `MilvusStore` (feature `milvus`). Text without `://` is the folder of a [`LocalStore`]. Passwords are not displayed.
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
pub struct Location(StoreAddress);

#[derive(Clone, Debug, PartialEq, Eq)]
enum StoreAddress {
    Folder(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(crate::server::Address),
    #[cfg(feature = "milvus")]
    Milvus(crate::server::Address),
}

impl Location {
    /// Parses a location.
    ///
    /// # Errors
    /// If it is an address whose scheme is unknown or whose feature is disabled, or is malformed.
    pub fn new(text: impl AsRef<OsStr>) -> Result<Self, IndexError> {
        let text = text.as_ref();
        let scheme = text.to_str().and_then(|text| text.split_once("://")).map(|(scheme, _)| scheme);
        let location = match (scheme, text.to_str()) {
            #[cfg(feature = "postgres")]
            (Some("postgres" | "postgresql"), Some(address)) => {
                StoreAddress::Postgres(crate::postgres::parse_address(address)?)
            }
            #[cfg(feature = "milvus")]
            (Some("milvus" | "milvuss"), Some(address)) => StoreAddress::Milvus(crate::milvus::parse_address(address)?),
            (Some(scheme), _) => return Err(IndexError::Scheme { found: scheme.into(), missing: missing(scheme) }),
            (None, _) => StoreAddress::Folder(text.into()),
        };
        Ok(Self(location))
    }

    /// The folder, if the location is one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.0 {
            StoreAddress::Folder(folder) => Some(folder),
            #[cfg(any(feature = "milvus", feature = "postgres"))]
            _ => None,
        }
    }

    /// Creates an empty store and opens it for writing.
    ///
    /// # Errors
    /// See the `create` of the store.
    pub fn create(&self, config: StoreConfig) -> Result<OpenStore, IndexError> {
        Ok(match &self.0 {
            StoreAddress::Folder(folder) => OpenStore::Local(Box::new(LocalStore::create(folder, config)?)),
            #[cfg(feature = "postgres")]
            StoreAddress::Postgres(address) => {
                OpenStore::Server(Box::new(PostgresStore::create(address.url().as_str(), config)?))
            }
            #[cfg(feature = "milvus")]
            StoreAddress::Milvus(address) => {
                OpenStore::Server(Box::new(MilvusStore::create(address.url().as_str(), config)?))
            }
        })
    }

    /// Opens a store for writing.
    ///
    /// # Errors
    /// See the `open` of the store. [`IndexError::is_absent`] is true if there is no store.
    pub fn open(&self) -> Result<OpenStore, IndexError> {
        match &self.0 {
            StoreAddress::Folder(folder) => Ok(OpenStore::Local(Box::new(LocalStore::open(folder)?))),
            #[cfg(any(feature = "milvus", feature = "postgres"))]
            _ => self.open_read_only(),
        }
    }

    /// Opens a store read-only; on a server, the same as [`open`](Self::open).
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn open_read_only(&self) -> Result<OpenStore, IndexError> {
        Ok(match &self.0 {
            StoreAddress::Folder(folder) => OpenStore::Local(Box::new(LocalStore::open_read_only(folder)?)),
            #[cfg(feature = "postgres")]
            StoreAddress::Postgres(address) => {
                OpenStore::Server(Box::new(PostgresStore::open(address.url().as_str())?))
            }
            #[cfg(feature = "milvus")]
            StoreAddress::Milvus(address) => OpenStore::Server(Box::new(MilvusStore::open(address.url().as_str())?)),
        })
    }
}

/// The feature that supports a scheme, which is disabled.
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
            StoreAddress::Folder(folder) => folder.display().fmt(f),
            #[cfg(feature = "postgres")]
            StoreAddress::Postgres(address) => address.fmt(f),
            #[cfg(feature = "milvus")]
            StoreAddress::Milvus(address) => address.fmt(f),
        }
    }
}

/// An open store.
pub enum OpenStore {
    /// In a folder.
    Local(Box<LocalStore>),
    /// On a server.
    Server(Box<dyn VectorStore + Send>),
}

impl OpenStore {
    /// The store, if it is local.
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
    fn text_without_scheme_is_a_folder() {
        for folder in ["notes", "/a b/c", "C:\\notes", "postgres:", "a:b//c"] {
            assert_eq!(Location::new(folder).unwrap().folder(), Some(Path::new(folder)));
        }
        let error = Location::new("http://me:geheim@host/x").unwrap_err().to_string();
        assert!(error.contains("'http'") && !error.contains("geheim"), "{error}");
    }

    #[cfg(not(feature = "milvus"))]
    #[test]
    fn a_disabled_feature_is_named() {
        let error = Location::new("milvus://localhost/x").unwrap_err().to_string();
        assert!(error.contains("feature 'milvus'"), "{error}");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn passwords_are_not_displayed() {
        let location = Location::new("postgres://me:geheim@host/x?password=geheim&table=t").unwrap();
        assert_eq!((location.to_string().as_str(), location.folder()), ("postgres://me:…@host/x?table=t", None));
        assert!(!format!("{location:?}").contains("geheim"));
    }
}
