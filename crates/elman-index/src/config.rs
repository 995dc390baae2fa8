use serde_json::Value;

use crate::{
    entry::{MAX_DEPTH, nests_within},
    error::IndexError,
    metric::Metric,
};

/// Maximum size of a model's identity, as JSON.
const MAX_MODEL_BYTES: usize = 4096;

/// Configuration of a new store, [local](crate::LocalStore) or on a server.
///
/// ```
/// use elman_index::{StoreConfig, Metric};
///
/// let config = StoreConfig::new(256).with_metric(Metric::Dot).with_model("model@5e884898");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// Dimension of the vectors.
    pub dim: usize,
    /// Similarity or distance of vectors. Default: cosine.
    pub metric: Metric,
    /// Identity of the model that makes the vectors: any JSON value that distinguishes models, such as a path and a
    /// hash. Default: null.
    pub model: Value,
}

impl StoreConfig {
    /// The default configuration for vectors of dimension `dim`.
    pub fn new(dim: usize) -> Self {
        Self { dim, metric: Metric::default(), model: Value::Null }
    }

    /// Sets the metric.
    pub fn with_metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// Sets the identity of the model. Use [`serde_json::to_value`] for other types.
    pub fn with_model(mut self, model: impl Into<Value>) -> Self {
        self.model = model.into();
        self
    }

    /// The identity of the model, if it is within the limits.
    pub(crate) fn checked_model(&self) -> Result<Value, IndexError> {
        if self.model.to_string().len() > MAX_MODEL_BYTES || !nests_within(&self.model, MAX_DEPTH) {
            return Err(IndexError::ModelIdentity { limit_bytes: MAX_MODEL_BYTES as u64, limit_depth: MAX_DEPTH });
        }
        Ok(self.model.clone())
    }
}
