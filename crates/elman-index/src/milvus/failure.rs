//! What the client says went wrong, as errors of this crate.

use std::time::Duration;

use milvus::v2::error::Error;
use tonic::Code;

use crate::server::ServerError;

// Codes of Milvus, and the ones that older servers send beside or instead.
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

/// Milvus's codes, the old one after the new.
fn codes(error: &Error) -> (i32, i32) {
    match error {
        Error::RetryExhausted { source, .. } => codes(source),
        Error::Server(error) => (error.code(), error.legacy_code()),
        _ => (0, 0),
    }
}

fn has_code(error: &Error, code: i32, old: i32) -> bool {
    match codes(error) {
        (0, found) => found == old && old != 0,
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

/// Whether there is no such collection.
pub(super) fn is_absent(error: &Error) -> bool {
    has_code(error, COLLECTION_NOT_FOUND, OLD_COLLECTION_NOT_FOUND)
}

/// Whether the collection is there, but is to be loaded first, as after a restart.
pub(super) fn is_not_loaded(error: &Error) -> bool {
    has_code(error, COLLECTION_NOT_LOADED, COLLECTION_NOT_LOADED)
}

/// Whether the collection cannot be loaded, for its index was not made.
pub(super) fn is_without_index(error: &Error) -> bool {
    has_code(error, INDEX_NOT_FOUND, OLD_INDEX_NOT_FOUND)
}

/// Whether the answer, or what was sent, is longer than a message may be.
pub(super) fn is_too_large(error: &Error) -> bool {
    matches!(grpc_code(error), Code::OutOfRange | Code::ResourceExhausted)
}

/// Whether no answer came in time: the client says so in one way, its transport in others.
pub(super) fn is_too_late(error: &Error) -> bool {
    matches!(error, Error::Timeout(_)) || matches!(grpc_code(error), Code::Cancelled | Code::DeadlineExceeded)
}

fn is_transport(error: &Error) -> bool {
    match error {
        Error::RetryExhausted { source, .. } => is_transport(source),
        // one with a cause was made on this side, because the connection failed
        Error::Grpc(status) => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

/// Whether the server is away, or not yet ready, so that trying again makes sense.
fn is_unavailable(error: &Error) -> bool {
    let (code, old) = codes(error);
    is_too_late(error)
        || grpc_code(error) == Code::Unavailable
        || is_transport(error)
        || matches!(code, SERVICE_UNAVAILABLE | RATE_LIMIT | COLLECTION_NOT_FULLY_LOADED | CHANNEL_NOT_AVAILABLE)
        || matches!(code, SEGMENT_NOT_LOADED | NODE_NOT_FOUND..=NODE_NOT_AVAILABLE)
        || matches!(old, OLD_RATE_LIMIT | OLD_NOT_READY)
        || is_not_loaded(error)
}

/// What the client said, as an error of this crate.
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

/// Whether it is worth trying again.
pub(super) fn is_away(error: &ServerError) -> bool {
    matches!(error, ServerError::Unreachable { .. })
}
