//! The model of a store's vectors.

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

/// Parses the location of a store. Errors do not quote an invalid location, as clap's would: it may contain a password.
#[derive(Clone)]
pub struct LocationParser;

impl TypedValueParser for LocationParser {
    type Value = Location;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Location, Error> {
        let invalid = |error| Error::raw(ErrorKind::ValueValidation, format!("{error}\n")).with_cmd(command);
        Location::new(value).map_err(invalid)
    }
}

/// What a store records of its model: path and fingerprint.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoreModel {
    /// `None` for the built-in model.
    path: Option<PathBuf>,
    identity: ModelFingerprint,
}

impl StoreModel {
    /// Records a model, with its absolute path so that a search from another directory finds it.
    pub fn new(path: Option<&Path>, model: &Model) -> Self {
        let path = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.into()));
        Self { path, identity: model.identity() }
    }

    /// Reads the record of a store.
    pub fn from_store(store: &dyn VectorStore, location: &Location) -> Result<Self, CliError> {
        let unknown = |_| CliError::NoFingerprint { store: location.to_string() };
        serde_json::from_value(store.model().clone()).map_err(unknown)
    }

    /// The path of the model, or the name of the built-in one.
    pub fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| elman_small_en::NAME.into(), |path| path.display().to_string())
    }

    /// Opens a store for writing; `None` if it does not exist.
    ///
    /// # Errors
    /// If the store's vectors are of another model.
    pub fn open(&self, location: &Location) -> Result<Option<OpenStore>, CliError> {
        match location.open() {
            Ok(store) => {
                Self::from_store(&*store, location)?.check(&self.identity, location, self.path.as_deref())?;
                Ok(Some(store))
            }
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a store for vectors of dimension `dim`.
    pub fn create(&self, location: &Location, dim: usize) -> Result<OpenStore, CliError> {
        let model = serde_json::to_value(self).expect("a path and a fingerprint are valid JSON");
        Ok(location.create(StoreConfig::new(dim).with_model(model))?)
    }

    /// Loads the store's model from its recorded path, or from `moved`, with the recorded settings.
    pub fn load(&self, store: &impl Display, moved: Option<&Path>, device: &Device) -> Result<Model, CliError> {
        let path = moved.or(self.path.as_deref());
        let ModelFingerprint { pooling, layer, normalize, .. } = self.identity.clone();
        let config = EmbedderConfig { pooling, layer: Some(layer), normalize, ..EmbedderConfig::default() };
        let model = Model::load(path, config, device).map_err(|source| match moved {
            None => CliError::StoreModel { store: store.to_string(), source: Box::new(source) },
            Some(_) => source,
        })?;
        self.check(&model.identity(), store, path)?;
        Ok(model)
    }

    /// Fails if a model has another fingerprint than the recorded one.
    fn check(
        &self,
        fingerprint: &ModelFingerprint,
        store: &impl Display,
        model: Option<&Path>,
    ) -> Result<(), CliError> {
        if self.identity == *fingerprint {
            return Ok(());
        }
        let model = model.map_or_else(|| elman_small_en::NAME.into(), Path::to_path_buf);
        Err(CliError::OtherModel { store: store.to_string(), model })
    }
}
