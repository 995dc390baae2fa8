//! The table of a store: made, and what it says of itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::error::SqlState;

use crate::{
    config::StoreConfig,
    error::IndexError,
    metric::Metric,
    postgres::{failure::said, session::Sessions},
    server::{FIRST, ServerError},
};

/// The version of the table below.
const VERSION: u64 = 1;
/// The most dimensions of pgvector's type `vector`.
pub(super) const MAX_DIM: usize = 16_000;
/// The most dimensions of its HNSW index.
const MAX_INDEXED: usize = 2_000;
/// Held while the extension is made, which two at once may not. Any number will do that others do not use.
const EXTENSION_LOCK: i64 = 0x656c_6d61_6e00;

/// What stands in the comment on the table, as JSON. There it is changed, copied, renamed and dropped with the table.
#[derive(Serialize, Deserialize)]
struct Identity {
    /// The version of the format.
    elman: u64,
    d_embed: usize,
    metric: Metric,
    model: Value,
}

/// The key of an id, as an expression of SQL. PostgreSQL's indexes take no texts beyond 2,704 bytes, and an id is any.
pub(super) fn key(id: &str) -> String {
    // the bytes of a text: a cast would read backslashes as escapes
    format!(r"sha256(decode(replace({id}, '\', '\\'), 'escape'))")
}

/// The operator whose lesser values are nearer.
pub(super) const fn operator(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "<=>",
        Metric::Dot => "<#>",
        Metric::Euclidean => "<->",
    }
}

/// Whether the table has an index of its vectors.
pub(super) const fn is_indexed(d_embed: usize) -> bool {
    d_embed <= MAX_INDEXED
}

pub(super) fn create(sessions: &Sessions, config: &StoreConfig) -> Result<(), IndexError> {
    let model = config.checked_model()?;
    check_server(sessions)?;
    let table = sessions.settings().quoted_table();
    let StoreConfig { d_embed, metric, .. } = *config;
    let identity = serde_json::to_string(&Identity { elman: VERSION, d_embed, metric, model })
        .expect("JSON values can be written");
    let class = match metric {
        Metric::Cosine => "vector_cosine_ops",
        Metric::Dot => "vector_ip_ops",
        Metric::Euclidean => "vector_l2_ops",
    };
    let index = match is_indexed(d_embed) {
        true => format!("CREATE INDEX ON {table} USING hnsw (vector {class});"),
        false => String::new(),
    };
    let sql = format!(
        "CREATE TABLE {table}(
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            key bytea GENERATED ALWAYS AS ({}) STORED UNIQUE,
            id text COLLATE \"C\" NOT NULL CHECK (id <> ''),
            vector vector({d_embed}) NOT NULL,
            text text NOT NULL,
            metadata jsonb CHECK (jsonb_typeof(metadata) = 'object')
        );
        {index}
        COMMENT ON TABLE {table} IS '{}'",
        key("id"),
        identity.replace('\'', "''"),
    );
    // Not a second time: where the first was done, and only the answer was lost, the table would be there.
    let made = sessions.once(FIRST, |client| {
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
    made.map_err(|error| refused(sessions, error).into())
}

/// Why a store cannot be made.
fn refused(sessions: &Sessions, error: ServerError) -> ServerError {
    let server = sessions.server().to_string();
    let Some((text, code)) = said(&error) else { return error };
    let name = &sessions.settings().table;
    if *code == SqlState::DUPLICATE_TABLE {
        ServerError::Exists { server, name: name.clone() }
    } else if *code == SqlState::FEATURE_NOT_SUPPORTED || *code == SqlState::UNDEFINED_FILE {
        let what = format!("{text}; install pgvector 0.8 or later beside PostgreSQL");
        ServerError::Unsupported { server, what }
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        let what = format!(
            "{text}; let an administrator say CREATE EXTENSION vector where the database has no pgvector, and grant the \
             right to make tables"
        );
        ServerError::Unsupported { server, what }
    } else {
        error
    }
}

/// Refuses a database that would compare texts in another way than this crate does.
fn check_server(sessions: &Sessions) -> Result<(), ServerError> {
    let encoding: String = sessions.run(FIRST, |client| async move {
        Ok(client.query_one("SELECT current_setting('server_encoding')", &[]).await?.get(0))
    })?;
    if encoding != "UTF8" {
        let what = format!("the database keeps texts as {encoding}; make one with ENCODING 'UTF8'");
        return Err(ServerError::Unsupported { server: sessions.server().into(), what });
    }
    Ok(())
}

/// What the table says of itself.
pub(super) fn open(sessions: &Sessions) -> Result<StoreConfig, ServerError> {
    let table = sessions.settings().quoted_table();
    let (found, comment, pgvector): (bool, Option<String>, Option<String>) = sessions.run(FIRST, |client| {
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
    let refused = |reason: String| ServerError::NotAStore { server: server.clone(), name: name.clone(), reason };
    let comment: Value = comment.and_then(|comment| serde_json::from_str(&comment).ok()).unwrap_or_default();
    let Some(version) = comment.get("elman").and_then(Value::as_u64) else {
        return Err(refused("its comment does not say so".into()));
    };
    if version != VERSION {
        return Err(refused(format!(
            "it has format version {version}, and this program reads version {VERSION}: use a newer one"
        )));
    }
    let Identity { d_embed, metric, model, .. } =
        serde_json::from_value(comment).map_err(|error| refused(format!("its comment makes no sense: {error}")))?;
    if !(1..=MAX_DIM).contains(&d_embed) {
        return Err(refused(format!("its comment speaks of {d_embed} dimensions")));
    }
    match pgvector {
        Some(version) if !is_old(&version) => Ok(StoreConfig { d_embed, metric, model }),
        found => {
            let found = found.map_or("none".into(), |version| format!("version {version}"));
            let what = format!("pgvector 0.8 or later is needed, and the database has {found}");
            Err(ServerError::Unsupported { server, what })
        }
    }
}

/// Whether a version of pgvector is one before 0.8, whose index leaves out entries where there is a filter.
fn is_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < (0, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, old) in [("0.7.4", true), ("0.8.0", false), ("0.10.1", false), ("1.0", false), ("", true)] {
            assert_eq!(is_old(version), old, "{version}");
        }
    }
}
