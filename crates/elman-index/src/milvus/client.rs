//! Requests to a collection on a server, with retries.

use std::{collections::HashMap, io, time::Duration};

use milvus::v2::{
    ClientV2, ConsistencyLevel, FieldData, Ids, SearchVectors, SingleResult,
    error::{Error, Result as SdkResult},
    request::{
        collection::{DescribeCollectionRequest, HasCollectionRequest, LoadCollectionRequest},
        dml::{DeleteRequest, InsertRequest, UpsertRequest},
        dql::{QueryRequest, SearchRequest},
        index::CreateIndexRequest,
    },
};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    config::StoreConfig,
    metric::Metric,
    milvus::{
        address::MilvusAddress,
        failure::{failure, is_not_loaded, is_timeout, is_too_large, is_transient, is_without_index},
        schema::{self, ID, VECTOR},
    },
    server::{CONNECT_TIMEOUT, Connection, RETRY_TIMEOUT, ServerError},
};

/// A loaded collection. Requests have no deadline, because those on large collections take long; keepalive messages are
/// sent every 10 seconds.
pub(super) struct Client {
    sdk: ClientV2,
    collection: String,
    metric: Metric,
    connection: Connection,
}

/// The results of a search.
#[derive(Default)]
pub(super) struct SearchResults {
    pub(super) columns: Vec<FieldData>,
    pub(super) scores: Vec<f32>,
}

impl Client {
    /// Creates a collection, with its index.
    pub(super) fn create(address: &MilvusAddress, config: &StoreConfig) -> Result<Self, ServerError> {
        let client = Self::connect(address, config.metric)?;
        let name = client.collection.as_str();
        let exists = client.call(|sdk| async move {
            let request = HasCollectionRequest::builder().collection_name(name).build()?;
            Ok(sdk.has_collection(request).await?.exists())
        })?;
        if exists {
            return Err(ServerError::Exists { server: client.server().into(), name: name.into() });
        }
        client.call(|sdk| async move { sdk.create_collection(schema::collection(name, config).build()?).await })?;
        client.call(|sdk| async move { create_index(&sdk, name, config.metric).await })?;
        client.load()?;
        Ok(client)
    }

    /// Opens a collection and reads its configuration.
    pub(super) fn open(address: &MilvusAddress) -> Result<(Self, StoreConfig), ServerError> {
        let mut client = Self::connect(address, Metric::default())?;
        let name = client.collection.as_str();
        let description = client.call(|sdk| async move {
            let request = DescribeCollectionRequest::builder().collection_name(name).build()?;
            Ok(sdk.describe_collection(request).await?.description().clone())
        })?;
        let config = schema::config(client.server(), name, &description)?;
        client.metric = config.metric;
        client.load()?;
        Ok((client, config))
    }

    fn connect(address: &MilvusAddress, metric: Metric) -> Result<Self, ServerError> {
        let connection = Connection::new(address.address.to_string())?;
        let sdk = connection.run(CONNECT_TIMEOUT, || connect(connection.server(), address), is_transient)?;
        Ok(Self { sdk, collection: address.collection.clone(), metric, connection })
    }

    pub(super) fn server(&self) -> &str {
        self.connection.server()
    }

    fn load(&self) -> Result<(), ServerError> {
        self.call(|sdk| async move { load(&sdk, &self.collection, self.metric).await })
    }

    /// Makes an idempotent request, with retries. Loads the collection first if the server was restarted.
    fn call<T, F, Fut>(&self, operation: F) -> Result<T, ServerError>
    where
        T: Send,
        F: Fn(ClientV2) -> Fut + Sync,
        Fut: Future<Output = SdkResult<T>> + Send,
    {
        let attempt = || async {
            let result = match operation(self.sdk.clone()).await {
                Err(error) if is_not_loaded(&error) => match load(&self.sdk, &self.collection, self.metric).await {
                    Ok(()) => operation(self.sdk.clone()).await,
                    Err(error) => Err(error),
                },
                result => result,
            };
            result.map_err(|error| failure(self.server(), &self.collection, error))
        };
        self.connection.run(RETRY_TIMEOUT, attempt, is_transient)
    }

    pub(super) fn upsert(&self, columns: Vec<FieldData>) -> Result<(), ServerError> {
        let columns = &columns;
        self.call(|sdk| async move {
            let rows = InsertRequest::builder().collection_name(&self.collection).columns(columns.clone()).build()?;
            sdk.upsert(UpsertRequest::builder().insert(rows).build()?).await.map(drop)
        })
    }

    pub(super) fn delete(&self, condition: &str) -> Result<(), ServerError> {
        self.call(|sdk| async move {
            let request = DeleteRequest::builder().collection_name(&self.collection).filter(condition).build()?;
            sdk.delete(request).await.map(drop)
        })
    }

    /// Number of entries that match a condition; of all entries if it is empty.
    pub(super) fn count(&self, condition: &str) -> Result<usize, ServerError> {
        self.call(|sdk| async move {
            let request = QueryRequest::builder()
                .collection_name(&self.collection)
                .filter(condition)
                .output_fields(["count(*)"])
                .consistency_level(ConsistencyLevel::Strong)
                .build()?;
            let found = sdk.query(request).await?.results().get_row_count();
            usize::try_from(found).map_err(|_| Error::MalformedResponse(format!("a count of {found}")))
        })
    }

    /// Up to `limit` entries that match a condition; `None` if they exceed the message size. With `in_order`, sorted by
    /// id; may then return fewer than match.
    pub(super) fn query(
        &self,
        condition: &str,
        fields: &[&str],
        limit: usize,
        in_order: bool,
    ) -> Result<Option<Vec<FieldData>>, ServerError> {
        self.call(|sdk| async move {
            // the parameter of the client's own iterator, whose other requests not every server supports
            let extra = if in_order { HashMap::from([("iterator".into(), "True".into())]) } else { HashMap::new() };
            let request = QueryRequest::builder()
                .collection_name(&self.collection)
                .filter(condition)
                .output_fields(fields.iter().copied())
                .limit(limit as i64)
                .extra_params(extra)
                .consistency_level(ConsistencyLevel::Strong)
                .build()?;
            match sdk.query(request).await {
                Err(error) if is_too_large(&error) => Ok(None),
                found => Ok(Some(found?.results().get_output_fields().to_vec())),
            }
        })
    }

    /// The entries nearest to a vector among those that match a condition; `None` if they exceed the message size.
    pub(super) fn search(
        &self,
        vector: &[f32],
        condition: &str,
        fields: &[&str],
        limit: usize,
    ) -> Result<Option<SearchResults>, ServerError> {
        self.call(|sdk| async move {
            let request = SearchRequest::builder()
                .collection_name(&self.collection)
                .vector_field(VECTOR)
                .vectors(SearchVectors::Float(vec![vector.to_vec()]))
                .metric_type(schema::metric_type(self.metric))
                .filter(condition)
                .output_fields(fields.iter().copied())
                .limit(limit as i64)
                .consistency_level(ConsistencyLevel::Strong)
                .build()?;
            match sdk.search(request).await {
                Err(error) if is_too_large(&error) => Ok(None),
                // one result per query vector, of which there is one
                found => Ok(Some(found?.results().iter().next().map(SearchResults::new).unwrap_or_default())),
            }
        })
    }
}

impl SearchResults {
    /// The client returns ids separately; they become a column.
    fn new(found: &SingleResult) -> Self {
        let mut columns = found.get_output_fields().to_vec();
        columns.retain(|column| column.name() != ID);
        if let Ids::VarChar(ids) = found.get_ids() {
            columns.push(FieldData::VarChar { name: ID.into(), values: ids.clone() });
        }
        Self { columns, scores: found.get_scores().to_vec() }
    }
}

/// Does not wait for the index, whose state not every server reports: loading the collection waits.
async fn create_index(sdk: &ClientV2, collection: &str, metric: Metric) -> SdkResult<()> {
    let request = CreateIndexRequest::builder()
        .collection_name(collection)
        .index_param(schema::index(metric))
        .sync(false)
        .build()?;
    sdk.create_index(request).await
}

/// Loads a collection. Creates the index if it is missing, because the creating program was interrupted.
async fn load(sdk: &ClientV2, collection: &str, metric: Metric) -> SdkResult<()> {
    let request = LoadCollectionRequest::builder().collection_name(collection).build()?;
    match sdk.load_collection(request.clone()).await {
        Err(error) if is_without_index(&error) => {
            create_index(sdk, collection, metric).await?;
            sdk.load_collection(request).await
        }
        result => result,
    }
}

/// Connects to a server. Opens a TCP connection first, because the client's own error would only be a timeout.
async fn connect(server: &str, address: &MilvusAddress) -> Result<ClientV2, ServerError> {
    let unreachable = |source: io::Error| ServerError::Unreachable {
        server: server.into(),
        waited: Duration::ZERO,
        source: source.into(),
    };
    let host = address.host.trim_start_matches('[').trim_end_matches(']');
    match timeout(CONNECT_TIMEOUT, TcpStream::connect((host, address.port))).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(unreachable(error)),
        Err(_) => return Err(unreachable(io::ErrorKind::TimedOut.into())),
    }
    ClientV2::new(&address.config()).await.map_err(|error| match is_timeout(&error) {
        true => {
            let mut source = format!("the port is open, but no Milvus server responded within {CONNECT_TIMEOUT:?}");
            if address.has_tls() {
                source += ": it may not support TLS, or its certificate is not trusted";
            }
            ServerError::Failed { server: server.into(), source: source.into() }
        }
        false => failure(server, &address.collection, error),
    })
}
