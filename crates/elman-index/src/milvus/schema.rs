//! What a collection of elman's is: its fields, and what it says of itself.

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

/// The most bytes of an id and of a text.
pub(super) const MAX_TEXT: usize = 65_535;
/// The most bytes of metadata, as JSON.
pub(super) const MAX_JSON: usize = 65_536;
/// The most dimensions of a vector.
pub(super) const MAX_DIMENSION: usize = 32_768;

/// The property in which a collection says what it is.
const PROPERTY: &str = "elman";
/// The version of the fields above.
const FORMAT: u64 = 1;

/// What a collection says of itself, as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    format: u64,
    d_embed: usize,
    metric: Metric,
    model: Value,
}

/// The request that makes a collection. What it says of itself is in a property, and once more in its description, for
/// servers that keep one of them alone.
pub(super) fn collection(name: &str, config: &StoreConfig) -> CreateCollectionRequestBuilder {
    let StoreConfig { d_embed, metric, model } = config.clone();
    let about = serde_json::to_string(&About { format: FORMAT, d_embed, metric, model })
        .expect("numbers, names and JSON can be written as JSON");
    let text = |name: &str| FieldSchema::new().name(name).data_type(DataType::VarChar).max_length(MAX_TEXT as u32);
    let schema = CollectionSchema::new()
        .enable_dynamic_field(false)
        .add_field(text(ID).primary_key(true).auto_id(false))
        .add_field(text(TEXT))
        .add_field(FieldSchema::new().name(METADATA).data_type(DataType::Json).nullable(true))
        .add_field(FieldSchema::new().name(VECTOR).data_type(DataType::FloatVector).dimension(d_embed as u32));
    CreateCollectionRequest::builder()
        .collection_name(name)
        .description(about.as_str())
        .schema(schema)
        .properties(HashMap::from([(PROPERTY.to_string(), about)]))
}

/// The index that the server thinks best.
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

/// A score of Milvus's as the metric's value: Milvus leaves out the root of a distance.
pub(super) fn score(metric: Metric, score: f32) -> f32 {
    match metric {
        Metric::Cosine | Metric::Dot => score,
        Metric::Euclidean => score.max(0.0).sqrt(),
    }
}

/// What a collection holds, if elman made it.
pub(super) fn config(server: &str, name: &str, found: &CollectionDesc) -> Result<StoreConfig, ServerError> {
    let refused = |reason: String| ServerError::NotAStore { server: server.into(), name: name.into(), reason };
    let property = found.get_properties().get(PROPERTY).map(String::as_str);
    let candidates = [property, Some(found.get_description()), Some(found.get_schema().get_description())];
    let about: Value = candidates
        .into_iter()
        .flatten()
        .find_map(|text| serde_json::from_str(text).ok().filter(Value::is_object))
        .ok_or_else(|| refused("it does not say what it holds".into()))?;
    match about.get("format").and_then(Value::as_u64) {
        Some(FORMAT) => {}
        Some(format) => {
            let reason =
                format!("it has format version {format}, and this program reads version {FORMAT}: use a newer one");
            return Err(refused(reason));
        }
        None => return Err(refused("it does not say its format".into())),
    }
    let About { d_embed, metric, model, .. } = serde_json::from_value(about)
        .map_err(|error| refused(format!("what it says of itself is damaged: {error}")))?;
    check_fields(found, d_embed).map_err(refused)?;
    Ok(StoreConfig { d_embed, metric, model })
}

fn check_fields(found: &CollectionDesc, d_embed: usize) -> Result<(), String> {
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
                return Err(format!("its field '{name}' is {:?}, and not {kind:?}", field.get_data_type()));
            }
            Some(field) if name == ID && !field.is_primary_key() => {
                return Err(format!("its field '{name}' is not the primary key"));
            }
            Some(field) if name == VECTOR => {
                let dimension = field.get_dimension() as usize;
                if dimension != d_embed || d_embed == 0 {
                    return Err(format!(
                        "it says that its vectors have {d_embed} dimensions, and they have {dimension}"
                    ));
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}
