//! Mapping of the client's errors to errors of this crate.

use std::time::Duration;

use milvus::v2::error::Error;
use tonic::Code;

use crate::server::ServerError;

// Error codes of Milvus, and legacy codes that older servers send in addition or instead.
const SERVICE_UNAVAILABLE: i32 = 2;
const RATE_LIMIT: i32 = 8;
const COLLECTION_NOT_FOUND: i32 = 100;
const COLLECTION_NOT_LOADED: i32 = 101;
const COLLECTION_NOT_FULLY_LOADED: i32 = 103;
const CHANNEL_NOT_AVAILABLE: i32 = 503;
const SEGMENT_NOT_LOADED: i32 = 601;
const INDEX_NOT_FOUND: i32 = 700;
const NODE_NOT_FOUND: i32 = 901;
const NODE_NOT_AVAILABLE: i32 = 905;
const NEEDS_AUTHENTICATION: i32 = 1400;
const OLD_COLLECTION_NOT_FOUND: i32 = 4;
const OLD_INDEX_NOT_FOUND: i32 = 11;
const OLD_RATE_LIMIT: i32 = 49;
const OLD_NOT_READY: i32 = 56;

/// The error code and the legacy code.
fn codes(error: &Error) -> (i32, i32) {
    match error {
        Error::RetryExhausted { source, .. } => codes(source),
        Error::Server(error) => (error.code(), error.legacy_code()),
        _ => (0, 0),
    }
}

fn has_code(error: &Error, code: i32, legacy: i32) -> bool {
    match codes(error) {
        (0, found) => found == legacy && legacy != 0,
        (found, _) => found == code,
    }
}

fn grpc_code(error: &Error) -> Code {
    match error {
        Error::RetryExhausted { source, .. } => grpc_code(source),
        Error::Grpc(status) => status.code(),
        _ => Code::Ok,
    }
}

/// Whether the collection does not exist.
pub(super) fn is_absent(error: &Error) -> bool {
    has_code(error, COLLECTION_NOT_FOUND, OLD_COLLECTION_NOT_FOUND)
}

/// Whether the collection must be loaded first, as after a restart.
pub(super) fn is_not_loaded(error: &Error) -> bool {
    has_code(error, COLLECTION_NOT_LOADED, COLLECTION_NOT_LOADED)
}

/// Whether the collection cannot be loaded because its index does not exist.
pub(super) fn is_without_index(error: &Error) -> bool {
    has_code(error, INDEX_NOT_FOUND, OLD_INDEX_NOT_FOUND)
}

/// Whether the request or the response exceeds the maximum message size.
pub(super) fn is_too_large(error: &Error) -> bool {
    matches!(grpc_code(error), Code::OutOfRange | Code::ResourceExhausted)
}

/// Whether the request timed out. The client and its transport report this differently.
pub(super) fn is_timeout(error: &Error) -> bool {
    matches!(error, Error::Timeout(_)) || matches!(grpc_code(error), Code::Cancelled | Code::DeadlineExceeded)
}

fn is_transport(error: &Error) -> bool {
    match error {
        Error::RetryExhausted { source, .. } => is_transport(source),
        // a status with a source was made by the client, because the connection failed
        Error::Grpc(status) => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

/// Whether the server is unreachable or not ready, so that the request can be retried.
fn is_unavailable(error: &Error) -> bool {
    let (code, legacy) = codes(error);
    is_timeout(error)
        || grpc_code(error) == Code::Unavailable
        || is_transport(error)
        || matches!(code, SERVICE_UNAVAILABLE | RATE_LIMIT | COLLECTION_NOT_FULLY_LOADED | CHANNEL_NOT_AVAILABLE)
        || matches!(code, SEGMENT_NOT_LOADED | NODE_NOT_FOUND..=NODE_NOT_AVAILABLE)
        || matches!(legacy, OLD_RATE_LIMIT | OLD_NOT_READY)
        || is_not_loaded(error)
}

/// Maps an error of the client.
pub(super) fn failure(server: &str, collection: &str, error: Error) -> ServerError {
    let server = server.to_string();
    if is_absent(&error) {
        return ServerError::NoStore { server, name: collection.into() };
    }
    if grpc_code(&error) == Code::Unauthenticated || codes(&error).0 == NEEDS_AUTHENTICATION {
        return ServerError::Credentials { server, source: error.into() };
    }
    match is_unavailable(&error) {
        true => ServerError::Unreachable { server, waited: Duration::ZERO, source: error.into() },
        false => ServerError::Failed { server, source: error.into() },
    }
}

/// Whether the request can be retried.
pub(super) fn is_transient(error: &ServerError) -> bool {
    matches!(error, ServerError::Unreachable { .. })
}
