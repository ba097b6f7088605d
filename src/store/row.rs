//! From SQL values to the words of the domain and back.

use super::{Result, StoreError};
use jiff::Timestamp;
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;

pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn damaged(column: &str, why: impl Display) -> StoreError {
    StoreError::Damaged(format!("column {column}: {why}"))
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}

/// A row whose columns are taken by name and parsed; what does not parse is [`StoreError::Damaged`].
pub(super) struct Fields<'a>(pub(super) &'a Row<'a>);

impl Fields<'_> {
    pub(super) fn get<T: rusqlite::types::FromSql>(&self, column: &str) -> Result<T> {
        Ok(self.0.get(column)?)
    }

    /// A value that must be there in the row's state.
    pub(super) fn needed<T: rusqlite::types::FromSql>(&self, column: &str) -> Result<T> {
        self.get::<Option<T>>(column)?.ok_or_else(|| damaged(column, "missing"))
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp> {
        Timestamp::from_millisecond(self.needed(column)?).map_err(|e| damaged(column, e))
    }

    pub(super) fn time_if(&self, column: &str) -> Result<Option<Timestamp>> {
        match self.get::<Option<i64>>(column)? {
            Some(_) => self.time(column).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn parse<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T> {
        self.needed::<String>(column)?.parse().map_err(|e| damaged(column, e))
    }

    pub(super) fn parse_if<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>> {
        match self.get::<Option<String>>(column)? {
            Some(text) => text.parse().map(Some).map_err(|e| damaged(column, e)),
            None => Ok(None),
        }
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_str(&self.needed::<String>(column)?).map_err(|e| damaged(column, e))
    }

    pub(super) fn json_if<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        match self.get::<Option<String>>(column)? {
            Some(text) => serde_json::from_str(&text).map(Some).map_err(|e| damaged(column, e)),
            None => Ok(None),
        }
    }

    pub(super) fn unknown<T>(&self, column: &str, word: &str) -> Result<T> {
        Err(damaged(column, format!("{word:?}")))
    }
}

/// Runs a query whose rows are made by `make`.
pub(super) fn all<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    params: impl rusqlite::Params,
    make: impl Fn(&Fields<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut made = Vec::new();
    while let Some(row) = rows.next()? {
        made.push(make(&Fields(row))?);
    }
    Ok(made)
}

/// The same for at most one row.
pub(super) fn one<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    params: impl rusqlite::Params,
    make: impl Fn(&Fields<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(|row| make(&Fields(row))).transpose()
}
