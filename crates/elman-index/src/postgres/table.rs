//! The table of a store: creation, and its stored configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::error::SqlState;

use crate::{
    config::StoreConfig,
    error::IndexError,
    metric::Metric,
    postgres::{failure::server_message, session::Sessions},
    server::{CONNECT_TIMEOUT, ServerError},
};

/// Version of the table below.
const VERSION: u64 = 1;
/// Maximum dimension of pgvector's type `vector`.
pub(super) const MAX_DIM: usize = 16_000;
/// Maximum dimension of pgvector's HNSW index.
const MAX_INDEXED_DIM: usize = 2_000;
/// Key of an advisory lock, because concurrent `CREATE EXTENSION` fails. An arbitrary value that others do not use.
const EXTENSION_LOCK: i64 = 0x656c_6d61_6e00;

/// Configuration of the store, as JSON in the comment on the table, so that it is copied, renamed and dropped with it.
#[derive(Serialize, Deserialize)]
struct StoreInfo {
    /// Version of the format.
    elman: u64,
    #[serde(rename = "d_embed")]
    dim: usize,
    metric: Metric,
    model: Value,
}

/// SQL for the key of an id: a hash, because values in PostgreSQL's indexes are limited to 2,704 bytes.
pub(super) fn key(id: &str) -> String {
    // converts text to bytes; a cast would interpret backslashes as escapes
    format!(r"sha256(decode(replace({id}, '\', '\\'), 'escape'))")
}

/// The distance operator of a metric: smaller is nearer.
pub(super) const fn operator(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "<=>",
        Metric::Dot => "<#>",
        Metric::Euclidean => "<->",
    }
}

/// Whether the vectors have an index.
pub(super) const fn is_indexed(dim: usize) -> bool {
    dim <= MAX_INDEXED_DIM
}

pub(super) fn create(sessions: &Sessions, config: &StoreConfig) -> Result<(), IndexError> {
    let model = config.checked_model()?;
    check_server(sessions)?;
    let table = sessions.settings().quoted_table();
    let StoreConfig { dim, metric, .. } = *config;
    let info = serde_json::to_string(&StoreInfo { elman: VERSION, dim, metric, model })
        .expect("the configuration can be serialized");
    let class = match metric {
        Metric::Cosine => "vector_cosine_ops",
        Metric::Dot => "vector_ip_ops",
        Metric::Euclidean => "vector_l2_ops",
    };
    let index = match is_indexed(dim) {
        true => format!("CREATE INDEX ON {table} USING hnsw (vector {class});"),
        false => String::new(),
    };
    let sql = format!(
        "CREATE TABLE {table}(
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            key bytea GENERATED ALWAYS AS ({}) STORED UNIQUE,
            id text COLLATE \"C\" NOT NULL CHECK (id <> ''),
            vector vector({dim}) NOT NULL,
            text text NOT NULL,
            metadata jsonb CHECK (jsonb_typeof(metadata) = 'object')
        );
        {index}
        COMMENT ON TABLE {table} IS '{}'",
        key("id"),
        info.replace('\'', "''"),
    );
    // not retried: if only the response was lost, the table exists already
    let created = sessions.once(CONNECT_TIMEOUT, |client| {
        let sql = &sql;
        async move {
            let begin = format!(
                "BEGIN; SET LOCAL standard_conforming_strings = on; SELECT pg_advisory_xact_lock({EXTENSION_LOCK})"
            );
            client.batch_execute(&begin).await?;
            client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector").await?;
            client.batch_execute(sql).await?;
            client.batch_execute("COMMIT").await
        }
    });
    created.map_err(|error| creation_error(sessions, error).into())
}

/// Maps errors of the creation of a store.
fn creation_error(sessions: &Sessions, error: ServerError) -> ServerError {
    let server = sessions.server().to_string();
    let Some((text, code)) = server_message(&error) else { return error };
    let name = &sessions.settings().table;
    if *code == SqlState::DUPLICATE_TABLE {
        ServerError::Exists { server, name: name.clone() }
    } else if *code == SqlState::FEATURE_NOT_SUPPORTED || *code == SqlState::UNDEFINED_FILE {
        let what = format!("{text}; install pgvector 0.8 or later");
        ServerError::Unsupported { server, what }
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        let what = format!(
            "{text}; let an administrator run CREATE EXTENSION vector, if the database lacks pgvector, and grant the \
             right to create tables"
        );
        ServerError::Unsupported { server, what }
    } else {
        error
    }
}

/// Checks the encoding, which determines how texts are compared.
fn check_server(sessions: &Sessions) -> Result<(), ServerError> {
    let encoding: String = sessions.run(CONNECT_TIMEOUT, |client| async move {
        Ok(client.query_one("SELECT current_setting('server_encoding')", &[]).await?.get(0))
    })?;
    if encoding != "UTF8" {
        let what = format!("the database has the encoding {encoding}; create one with ENCODING 'UTF8'");
        return Err(ServerError::Unsupported { server: sessions.server().into(), what });
    }
    Ok(())
}

/// Reads the configuration of a store.
pub(super) fn open(sessions: &Sessions) -> Result<StoreConfig, ServerError> {
    let table = sessions.settings().quoted_table();
    let (found, comment, pgvector): (bool, Option<String>, Option<String>) =
        sessions.run(CONNECT_TIMEOUT, |client| {
            let table = &table;
            async move {
                let sql = "SELECT to_regclass($1) IS NOT NULL, obj_description(to_regclass($1), 'pg_class'),
                              (SELECT extversion FROM pg_extension WHERE extname = 'vector')";
                let row = client.query_one(sql, &[table]).await?;
                Ok((row.get(0), row.get(1), row.get(2)))
            }
        })?;
    let (server, name) = (sessions.server().to_string(), sessions.settings().table.clone());
    if !found {
        return Err(ServerError::NoStore { server, name });
    }
    let not_a_store = |reason: String| ServerError::NotAStore { server: server.clone(), name: name.clone(), reason };
    let comment: Value = comment.and_then(|comment| serde_json::from_str(&comment).ok()).unwrap_or_default();
    let Some(version) = comment.get("elman").and_then(Value::as_u64) else {
        return Err(not_a_store("its comment has no configuration".into()));
    };
    if version != VERSION {
        return Err(not_a_store(format!(
            "it has format version {version}, and this program reads version {VERSION}: use a newer one"
        )));
    }
    let StoreInfo { dim, metric, model, .. } = serde_json::from_value(comment)
        .map_err(|error| not_a_store(format!("the configuration in its comment is invalid: {error}")))?;
    if !(1..=MAX_DIM).contains(&dim) {
        return Err(not_a_store(format!("the configuration in its comment has {dim} dimensions")));
    }
    match pgvector {
        Some(version) if !is_too_old(&version) => Ok(StoreConfig { dim, metric, model }),
        found => {
            let found = found.map_or("none".into(), |version| format!("version {version}"));
            let what = format!("pgvector 0.8 or later is required; the database has {found}");
            Err(ServerError::Unsupported { server, what })
        }
    }
}

/// Whether a version of pgvector is below 0.8, whose index can miss entries that match a filter.
fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < (0, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_numerically() {
        for (version, expected) in [("0.7.4", true), ("0.8.0", false), ("0.10.1", false), ("1.0", false), ("", true)] {
            assert_eq!(is_too_old(version), expected, "{version}");
        }
    }
}
