use serde_json::Value;

use crate::{
    entry::{MAX_DEPTH, nests_within},
    error::IndexError,
    metric::Metric,
};

/// The largest identity of a model, as JSON.
const MAX_MODEL_BYTES: usize = 4096;

/// What a new store holds, be it in a [folder](crate::LocalStore) or on a server.
///
/// ```
/// use elman_index::{StoreConfig, Metric};
///
/// let config = StoreConfig::new(256).with_metric(Metric::Dot).with_model("model@5e884898");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// The length of every vector.
    pub d_embed: usize,
    /// How near two vectors are; the cosine unless chosen otherwise.
    pub metric: Metric,
    /// What the vectors are made with, in any words that tell two models apart, such as a path and a hash; null unless
    /// chosen otherwise.
    pub model: Value,
}

impl StoreConfig {
    /// The settings for vectors of length `d_embed`.
    pub fn new(d_embed: usize) -> Self {
        Self { d_embed, metric: Metric::default(), model: Value::Null }
    }

    /// Sets the metric.
    pub fn with_metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// Sets the identity of the model. Use [`serde_json::to_value`] for a type of your own.
    pub fn with_model(mut self, model: impl Into<Value>) -> Self {
        self.model = model.into();
        self
    }

    /// The identity of the model, if it can be kept.
    pub(crate) fn checked_model(&self) -> Result<Value, IndexError> {
        if self.model.to_string().len() > MAX_MODEL_BYTES || !nests_within(&self.model, MAX_DEPTH) {
            return Err(IndexError::ModelIdentity { limit_bytes: MAX_MODEL_BYTES as u64, limit_depth: MAX_DEPTH });
        }
        Ok(self.model.clone())
    }
}
