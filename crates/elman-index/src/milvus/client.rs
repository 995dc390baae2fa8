//! A collection on a server: what is asked of it, and asked again where the server was away.

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
        failure::{failure, is_away, is_not_loaded, is_too_large, is_too_late, is_without_index},
        place::Place,
        schema::{self, ID, VECTOR},
    },
    server::{Connection, FIRST, LATER, ServerError},
};

/// A loaded collection. No request has a deadline, for a large collection takes its time; the connection itself is asked
/// every 10 seconds whether the server is still there.
pub(super) struct Client {
    sdk: ClientV2,
    collection: String,
    metric: Metric,
    connection: Connection,
}

/// What a search found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) columns: Vec<FieldData>,
    pub(super) scores: Vec<f32>,
}

impl Client {
    /// Makes a collection.
    pub(super) fn create(place: &Place, config: &StoreConfig) -> Result<Self, ServerError> {
        let client = Self::connect(place, config.metric)?;
        let name = client.collection.as_str();
        let present = client.ask(|sdk| async move {
            let request = HasCollectionRequest::builder().collection_name(name).build()?;
            Ok(sdk.has_collection(request).await?.exists())
        })?;
        if present {
            return Err(ServerError::Exists { server: client.server().into(), name: name.into() });
        }
        client.ask(|sdk| async move { sdk.create_collection(schema::collection(name, config).build()?).await })?;
        client.ask(|sdk| async move { make_index(&sdk, name, config.metric).await })?;
        client.load()?;
        Ok(client)
    }

    /// Opens a collection, and says what it holds.
    pub(super) fn open(place: &Place) -> Result<(Self, StoreConfig), ServerError> {
        let mut client = Self::connect(place, Metric::default())?;
        let name = client.collection.as_str();
        let found = client.ask(|sdk| async move {
            let request = DescribeCollectionRequest::builder().collection_name(name).build()?;
            Ok(sdk.describe_collection(request).await?.description().clone())
        })?;
        let config = schema::config(client.server(), name, &found)?;
        client.metric = config.metric;
        client.load()?;
        Ok((client, config))
    }

    fn connect(place: &Place, metric: Metric) -> Result<Self, ServerError> {
        let connection = Connection::new(place.address.to_string())?;
        let sdk = connection.run(FIRST, || connect(connection.server(), place), is_away)?;
        Ok(Self { sdk, collection: place.collection.clone(), metric, connection })
    }

    pub(super) fn server(&self) -> &str {
        self.connection.server()
    }

    fn load(&self) -> Result<(), ServerError> {
        self.ask(|sdk| async move { load(&sdk, &self.collection, self.metric).await })
    }

    /// Asks something that may be asked more than once. A server that was started again may have to load the collection
    /// first.
    fn ask<T, F, Fut>(&self, operation: F) -> Result<T, ServerError>
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
        self.connection.run(LATER, attempt, is_away)
    }

    pub(super) fn upsert(&self, columns: Vec<FieldData>) -> Result<(), ServerError> {
        let columns = &columns;
        self.ask(|sdk| async move {
            let rows = InsertRequest::builder().collection_name(&self.collection).columns(columns.clone()).build()?;
            sdk.upsert(UpsertRequest::builder().insert(rows).build()?).await.map(drop)
        })
    }

    pub(super) fn delete(&self, condition: &str) -> Result<(), ServerError> {
        self.ask(|sdk| async move {
            let request = DeleteRequest::builder().collection_name(&self.collection).filter(condition).build()?;
            sdk.delete(request).await.map(drop)
        })
    }

    /// How many entries meet a condition; all of them without one.
    pub(super) fn count(&self, condition: &str) -> Result<usize, ServerError> {
        self.ask(|sdk| async move {
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

    /// The entries that meet a condition, up to `limit`; none where they are more than a message holds. In the order of
    /// their ids if that is asked for, and then perhaps fewer than there are.
    pub(super) fn query(
        &self,
        condition: &str,
        fields: &[&str],
        limit: usize,
        in_order: bool,
    ) -> Result<Option<Vec<FieldData>>, ServerError> {
        self.ask(|sdk| async move {
            // what the client's own iterator sends, which asks for more than every server knows
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

    /// The entries nearest to a vector among those that meet a condition; none where they are more than a message holds.
    pub(super) fn search(
        &self,
        vector: &[f32],
        condition: &str,
        fields: &[&str],
        limit: usize,
    ) -> Result<Option<Found>, ServerError> {
        self.ask(|sdk| async move {
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
                // one for each vector, of which there is one
                found => Ok(Some(found?.results().iter().next().map(Found::of).unwrap_or_default())),
            }
        })
    }
}

impl Found {
    /// The ids are told apart from the other columns.
    fn of(found: &SingleResult) -> Self {
        let mut columns = found.get_output_fields().to_vec();
        columns.retain(|column| column.name() != ID);
        if let Ids::VarChar(ids) = found.get_ids() {
            columns.push(FieldData::VarChar { name: ID.into(), values: ids.clone() });
        }
        Self { columns, scores: found.get_scores().to_vec() }
    }
}

/// Does not wait for the index, which not every server tells about: loading does.
async fn make_index(sdk: &ClientV2, collection: &str, metric: Metric) -> SdkResult<()> {
    let request = CreateIndexRequest::builder()
        .collection_name(collection)
        .index_param(schema::index(metric))
        .sync(false)
        .build()?;
    sdk.create_index(request).await
}

/// Loads a collection. Its index is made first where it is not there, for its maker was stopped before.
async fn load(sdk: &ClientV2, collection: &str, metric: Metric) -> SdkResult<()> {
    let request = LoadCollectionRequest::builder().collection_name(collection).build()?;
    match sdk.load_collection(request.clone()).await {
        Err(error) if is_without_index(&error) => {
            make_index(sdk, collection, metric).await?;
            sdk.load_collection(request).await
        }
        result => result,
    }
}

/// A connection. The client alone would say no more than that it did not succeed in time, so the host is reached first.
async fn connect(server: &str, place: &Place) -> Result<ClientV2, ServerError> {
    let away = |source: io::Error| ServerError::Unreachable {
        server: server.into(),
        waited: Duration::ZERO,
        source: source.into(),
    };
    let host = place.host.trim_start_matches('[').trim_end_matches(']');
    match timeout(FIRST, TcpStream::connect((host, place.port))).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(away(error)),
        Err(_) => return Err(away(io::ErrorKind::TimedOut.into())),
    }
    ClientV2::new(&place.config()).await.map_err(|error| match is_too_late(&error) {
        true => {
            let mut source = format!("something listens there, but did not answer as Milvus does within {FIRST:?}");
            if place.has_tls() {
                source += ": it may not know TLS, or have a certificate that is not trusted here";
            }
            ServerError::Failed { server: server.into(), source: source.into() }
        }
        false => failure(server, &place.collection, error),
    })
}
