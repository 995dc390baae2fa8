//! Schema of collections, and their stored configuration.

use std::collections::HashMap;

use milvus::v2::{
    CollectionDesc, CollectionSchema, DataType, FieldSchema, IndexParam, IndexType, MetricType,
    request::collection::{CreateCollectionRequest, CreateCollectionRequestBuilder},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{config::StoreConfig, metric::Metric, server::ServerError};

pub(super) const ID: &str = "id";
pub(super) const TEXT: &str = "text";
pub(super) const METADATA: &str = "metadata";
pub(super) const VECTOR: &str = "vector";

/// Maximum size of ids and texts in bytes.
pub(super) const MAX_TEXT: usize = 65_535;
/// Maximum size of metadata as JSON in bytes.
pub(super) const MAX_JSON: usize = 65_536;
/// Maximum dimension of vectors.
pub(super) const MAX_DIM: usize = 32_768;

/// The collection property that stores the configuration.
const PROPERTY: &str = "elman";
/// Version of the fields above.
const FORMAT: u64 = 1;

/// Configuration of the store, stored as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct StoreInfo {
    format: u64,
    #[serde(rename = "d_embed")]
    dim: usize,
    metric: Metric,
    model: Value,
}

/// The request that creates a collection. The configuration is in a property and also in the description, because some
/// servers store only one of them.
pub(super) fn collection(name: &str, config: &StoreConfig) -> CreateCollectionRequestBuilder {
    let StoreConfig { dim, metric, model } = config.clone();
    let info = serde_json::to_string(&StoreInfo { format: FORMAT, dim, metric, model })
        .expect("the configuration can be serialized");
    let text = |name: &str| FieldSchema::new().name(name).data_type(DataType::VarChar).max_length(MAX_TEXT as u32);
    let schema = CollectionSchema::new()
        .enable_dynamic_field(false)
        .add_field(text(ID).primary_key(true).auto_id(false))
        .add_field(text(TEXT))
        .add_field(FieldSchema::new().name(METADATA).data_type(DataType::Json).nullable(true))
        .add_field(FieldSchema::new().name(VECTOR).data_type(DataType::FloatVector).dimension(dim as u32));
    CreateCollectionRequest::builder()
        .collection_name(name)
        .description(info.as_str())
        .schema(schema)
        .properties(HashMap::from([(PROPERTY.to_string(), info)]))
}

/// An index whose type the server chooses.
pub(super) fn index(metric: Metric) -> IndexParam {
    IndexParam::new().field_name(VECTOR).index_type(IndexType::AutoIndex).metric_type(metric_type(metric))
}

pub(super) fn metric_type(metric: Metric) -> MetricType {
    match metric {
        Metric::Cosine => MetricType::Cosine,
        Metric::Dot => MetricType::Ip,
        Metric::Euclidean => MetricType::L2,
    }
}

/// Converts a score of Milvus: Euclidean distances are squared.
pub(super) fn score(metric: Metric, score: f32) -> f32 {
    match metric {
        Metric::Cosine | Metric::Dot => score,
        Metric::Euclidean => score.max(0.0).sqrt(),
    }
}

/// The configuration of a collection, if elman created it.
pub(super) fn config(server: &str, name: &str, found: &CollectionDesc) -> Result<StoreConfig, ServerError> {
    let not_a_store = |reason: String| ServerError::NotAStore { server: server.into(), name: name.into(), reason };
    let property = found.get_properties().get(PROPERTY).map(String::as_str);
    let candidates = [property, Some(found.get_description()), Some(found.get_schema().get_description())];
    let info: Value = candidates
        .into_iter()
        .flatten()
        .find_map(|text| serde_json::from_str(text).ok().filter(Value::is_object))
        .ok_or_else(|| not_a_store("it has no configuration".into()))?;
    match info.get("format").and_then(Value::as_u64) {
        Some(FORMAT) => {}
        Some(format) => {
            let reason =
                format!("it has format version {format}, and this program reads version {FORMAT}: use a newer one");
            return Err(not_a_store(reason));
        }
        None => return Err(not_a_store("its configuration has no format version".into())),
    }
    let StoreInfo { dim, metric, model, .. } =
        serde_json::from_value(info).map_err(|error| not_a_store(format!("its configuration is invalid: {error}")))?;
    check_fields(found, dim).map_err(not_a_store)?;
    Ok(StoreConfig { dim, metric, model })
}

fn check_fields(found: &CollectionDesc, dim: usize) -> Result<(), String> {
    let expected = [
        (ID, DataType::VarChar),
        (TEXT, DataType::VarChar),
        (METADATA, DataType::Json),
        (VECTOR, DataType::FloatVector),
    ];
    let fields = found.get_schema().get_fields();
    for (name, kind) in expected {
        match fields.iter().find(|field| field.get_name() == name) {
            None => return Err(format!("it has no field '{name}'")),
            Some(field) if field.get_data_type() != kind => {
                return Err(format!("its field '{name}' is {:?} instead of {kind:?}", field.get_data_type()));
            }
            Some(field) if name == ID && !field.is_primary_key() => {
                return Err(format!("its field '{name}' is not the primary key"));
            }
            Some(field) if name == VECTOR => {
                let dimension = field.get_dimension() as usize;
                if dimension != dim || dim == 0 {
                    return Err(format!("its configuration has {dim} dimensions, but its vectors have {dimension}"));
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}
