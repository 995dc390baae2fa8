//! A fake server, for behavior of the client that a real server does not show.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use milvus::{
    proto::{
        common::Status as Answer,
        milvus::{
            ClientHeartbeatRequest, ClientHeartbeatResponse, ConnectRequest, ConnectResponse,
            DescribeCollectionRequest, DescribeCollectionResponse,
            client_telemetry_service_server::{ClientTelemetryService, ClientTelemetryServiceServer},
            milvus_service_server::{MilvusService, MilvusServiceServer},
        },
    },
    v2::{ClientV2, ConnectConfig, TelemetryConfig},
};
use tokio::runtime::Runtime;
use tonic::{Request, Response, Status, transport::Server};

use crate::{
    IndexError, MilvusStore, ServerError,
    milvus::{address::MilvusAddress, failure::is_transient},
};

/// Accepts the token `me:secret`, has no collections, and counts telemetry messages.
#[derive(Clone, Default)]
struct FakeServer {
    heartbeats: Arc<AtomicUsize>,
    /// Number of further requests that are answered with "service unavailable".
    not_ready: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl MilvusService for FakeServer {
    async fn connect(&self, request: Request<ConnectRequest>) -> Result<Response<ConnectResponse>, Status> {
        // base64 of me:secret
        match request.metadata().get("authorization").and_then(|token| token.to_str().ok()) {
            Some("bWU6c2VjcmV0") => {
                Ok(Response::new(ConnectResponse { status: Some(Answer::default()), ..Default::default() }))
            }
            _ => Err(Status::unauthenticated("auth check failure, please check username and password are correct")),
        }
    }

    async fn describe_collection(
        &self,
        _: Request<DescribeCollectionRequest>,
    ) -> Result<Response<DescribeCollectionResponse>, Status> {
        let remaining = self.not_ready.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let (code, reason) = match remaining {
            Ok(_) => (2, "service unavailable".into()),
            Err(_) => (100, "can't find collection".into()),
        };
        let status = Some(Answer { code, reason, ..Default::default() });
        Ok(Response::new(DescribeCollectionResponse { status, ..Default::default() }))
    }
}

#[tonic::async_trait]
impl ClientTelemetryService for FakeServer {
    async fn client_heartbeat(
        &self,
        _: Request<ClientHeartbeatRequest>,
    ) -> Result<Response<ClientHeartbeatResponse>, Status> {
        self.heartbeats.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(ClientHeartbeatResponse { status: Some(Answer::default()), ..Default::default() }))
    }
}

impl FakeServer {
    /// Starts the server on a free local port and returns `host:port`.
    fn start(&self) -> String {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (service, telemetry) =
            (MilvusServiceServer::new(self.clone()), ClientTelemetryServiceServer::new(self.clone()));
        thread::spawn(move || {
            let server = Server::builder().add_service(service).add_service(telemetry).serve(port);
            Runtime::new().unwrap().block_on(server).unwrap();
        });
        port.to_string()
    }

    fn heartbeats_of(&self, config: ConnectConfig) -> usize {
        self.heartbeats.store(0, Ordering::Relaxed);
        Runtime::new().unwrap().block_on(async {
            let client = ClientV2::new(&config).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            drop(client);
        });
        self.heartbeats.load(Ordering::Relaxed)
    }
}

#[test]
fn no_telemetry_is_sent() {
    let server = FakeServer::default();
    let config = MilvusAddress::parse(&format!("milvus://me:secret@{}", server.start())).unwrap().config();
    assert_eq!(server.heartbeats_of(config.clone()), 0);
    assert_ne!(
        server.heartbeats_of(config.telemetry(TelemetryConfig::new())),
        0,
        "the client's default sends telemetry"
    );
}

#[test]
fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let server = FakeServer::default();
    let host = server.start();
    for user in ["", "me@", "me:hidden@"] {
        let error = MilvusStore::open(&format!("milvus://{user}{host}")).unwrap_err();
        assert!(matches!(error, IndexError::Server(ServerError::Credentials { .. })), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("rejected the credentials: gRPC error") && !shown.contains("hidden"), "{shown}");
    }
    let error = MilvusStore::open(&format!("milvus://me:secret@{host}/notes")).unwrap_err();
    assert!(matches!(&error, IndexError::Server(ServerError::NoStore { name, .. }) if name == "notes"), "{error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[test]
fn requests_to_a_server_that_is_not_ready_are_retried() {
    let server = FakeServer::default();
    server.not_ready.store(3, Ordering::Relaxed);
    let error = MilvusStore::open(&format!("milvus://me:secret@{}", server.start())).unwrap_err();
    let IndexError::Server(error) = error else { panic!("{error}") };
    assert!(matches!(error, ServerError::NoStore { .. }) && !is_transient(&error), "{error}");
    assert_eq!(server.not_ready.load(Ordering::Relaxed), 0);
}
