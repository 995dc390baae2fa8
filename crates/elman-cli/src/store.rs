//! The model that a store's vectors were made with.

use std::{
    ffi::OsStr,
    fmt::Display,
    path::{Path, PathBuf},
};

use clap::{Arg, Command, Error, builder::TypedValueParser, error::ErrorKind};
use elman::{
    burn::tensor::Device,
    embedding::{EmbedderConfig, ModelFingerprint},
    index::{Location, OpenStore, StoreConfig, VectorStore},
};
use serde::{Deserialize, Serialize};

use crate::{embedding::Model, error::CliError};

/// Reads where a store is. What is no location is not shown, as clap would: a part of it may be a password.
#[derive(Clone)]
pub struct LocationParser;

impl TypedValueParser for LocationParser {
    type Value = Location;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Location, Error> {
        let refused = |error| Error::raw(ErrorKind::ValueValidation, format!("{error}\n")).with_cmd(command);
        Location::new(value).map_err(refused)
    }
}

/// What a store remembers of its model: where it was, and what it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoreModel {
    /// None is that which comes with the program.
    path: Option<PathBuf>,
    identity: ModelFingerprint,
}

impl StoreModel {
    /// A model. Its path is remembered in full, so that a search from elsewhere finds it.
    pub fn new(path: Option<&Path>, model: &Model) -> Self {
        let path = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.into()));
        Self { path, identity: model.identity() }
    }

    /// The model of a store.
    pub fn of(store: &dyn VectorStore, location: &Location) -> Result<Self, CliError> {
        let unknown = |_| CliError::NoIdentity { store: location.to_string() };
        serde_json::from_value(store.model().clone()).map_err(unknown)
    }

    /// What the model is called: where it was.
    pub fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| elman_small_en::NAME.into(), |path| path.display().to_string())
    }

    /// Opens a store for writing, if it is there; refused if another model made it.
    pub fn open(&self, location: &Location) -> Result<Option<OpenStore>, CliError> {
        match location.open() {
            Ok(store) => {
                Self::of(&*store, location)?.expect(&self.identity, location, self.path.as_deref())?;
                Ok(Some(store))
            }
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a store.
    pub fn create(&self, location: &Location, d_embedding: usize) -> Result<OpenStore, CliError> {
        let model = serde_json::to_value(self).expect("a path and an identity are valid JSON");
        Ok(location.create(StoreConfig::new(d_embedding).with_model(model))?)
    }

    /// Loads the store's model, from where it was or from `moved`, with the settings that it was used with.
    pub fn load(&self, store: &impl Display, moved: Option<&Path>, device: &Device) -> Result<Model, CliError> {
        let path = moved.or(self.path.as_deref());
        let ModelFingerprint { pooling, layer, normalize, .. } = self.identity.clone();
        let config = EmbedderConfig { pooling, layer: Some(layer), normalize, ..EmbedderConfig::default() };
        let model = Model::load(path, config, device).map_err(|source| match moved {
            None => CliError::StoreModel { store: store.to_string(), source: Box::new(source) },
            Some(_) => source,
        })?;
        self.expect(&model.identity(), store, path)?;
        Ok(model)
    }

    fn expect(&self, identity: &ModelFingerprint, store: &impl Display, model: Option<&Path>) -> Result<(), CliError> {
        if self.identity == *identity {
            return Ok(());
        }
        let model = model.map_or_else(|| elman_small_en::NAME.into(), Path::to_path_buf);
        Err(CliError::OtherModel { store: store.to_string(), model })
    }
}
