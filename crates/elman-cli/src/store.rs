//! The model that a store's vectors were made with.

use std::path::{Path, PathBuf};

use elman::{
    burn::tensor::Device,
    embedding::{Embedder, EmbedderConfig, Identity},
    index::{FlatStore, FlatStoreConfig, IndexError},
};
use serde::{Deserialize, Serialize};

use crate::{embedding, error::CliError};

/// What a store remembers of its model: where it was, and what it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoreModel {
    path: PathBuf,
    identity: Identity,
}

impl StoreModel {
    /// The model of an embedder. Its path is remembered in full, so that a search from elsewhere finds it.
    pub fn new(path: &Path, embedder: &Embedder) -> Self {
        Self { path: std::path::absolute(path).unwrap_or_else(|_| path.into()), identity: embedder.identity() }
    }

    /// The model of a store.
    pub fn of(store: &FlatStore, path: &Path) -> Result<Self, CliError> {
        serde_json::from_value(store.model().clone()).map_err(|_| CliError::NoIdentity { path: path.into() })
    }

    /// Opens a store for writing, made if it is not there, refused if another model made it.
    pub fn open(&self, path: &Path, d_embedding: usize) -> Result<FlatStore, CliError> {
        match FlatStore::open(path) {
            Ok(store) => {
                Self::of(&store, path)?.expect(&self.identity, path, &self.path)?;
                Ok(store)
            }
            Err(IndexError::NotAStore { .. }) => {
                let model = serde_json::to_value(self).expect("a path and an identity are valid JSON");
                Ok(FlatStore::create(path, FlatStoreConfig::new(d_embedding).with_model(model))?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Loads the store's model, from where it was or from `moved`, with the settings that it was used with.
    pub fn load(&self, store: &Path, moved: Option<&Path>, device: &Device) -> Result<Embedder, CliError> {
        let path = moved.unwrap_or(&self.path);
        let Identity { pooling, layer, normalize, .. } = self.identity.clone();
        let config = EmbedderConfig { pooling, layer: Some(layer), normalize, ..EmbedderConfig::default() };
        let embedder = embedding::load(path, config, device).map_err(|source| match moved {
            None => CliError::StoreModel { store: store.into(), source: Box::new(source) },
            Some(_) => source,
        })?;
        self.expect(&embedder.identity(), store, path)?;
        Ok(embedder)
    }

    fn expect(&self, identity: &Identity, store: &Path, model: &Path) -> Result<(), CliError> {
        if self.identity == *identity {
            return Ok(());
        }
        Err(CliError::OtherModel { store: store.into(), model: model.into() })
    }
}
