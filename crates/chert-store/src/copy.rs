//! Rows in PostgreSQL's binary COPY format.
//!
//! Source: PostgreSQL documentation, "COPY", section "Binary Format"; the `numeric` layout follows
//! `numeric_recv`. Encoding straight into one buffer is what makes ingest as fast as COPY itself.

use bytes::{BufMut, BytesMut};
use silica_models::AddressKey;
use sqlx::PgConnection;

use crate::StoreError;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const NULL: i32 = -1;
const NUMERIC_BASE: u128 = 10_000;
/// One COPY message at most, so that neither side buffers a whole batch.
const CHUNK_BYTES: usize = 256 * 1024;

/// Rows of one table, encoded as they are added.
#[derive(Debug)]
pub struct CopyBuffer {
    bytes: BytesMut,
    columns: i16,
    rows: u64,
}

impl CopyBuffer {
    /// An empty buffer for rows of `columns` columns.
    pub fn new(columns: i16) -> Self {
        let mut bytes = BytesMut::new();
        bytes.put_slice(SIGNATURE);
        bytes.put_i32(0);
        bytes.put_i32(0);
        Self { bytes, columns, rows: 0 }
    }

    /// Rows added so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes held.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Starts a row; exactly `columns` puts must follow.
    pub fn row(&mut self) -> Row<'_> {
        self.bytes.put_i16(self.columns);
        self.rows += 1;
        let left = self.columns;
        Row { bytes: &mut self.bytes, left }
    }

    /// Sends the rows with `COPY table (columns) FROM STDIN (FORMAT binary)`; nothing for no rows.
    pub async fn send(&self, db: &mut PgConnection, statement: &str) -> Result<(), StoreError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut copy = db.copy_in_raw(statement).await?;
        for chunk in self.bytes.chunks(CHUNK_BYTES) {
            copy.send(chunk).await?;
        }
        // The trailer: a column count of -1.
        copy.send(&(-1_i16).to_be_bytes()[..]).await?;
        let written = copy.finish().await?;
        if written != self.rows {
            let text = format!("{statement}: {written} rows written of {}", self.rows);
            return Err(StoreError::Batch(text));
        }
        Ok(())
    }
}

/// One row under construction.
#[derive(Debug)]
pub struct Row<'a> {
    bytes: &'a mut BytesMut,
    left: i16,
}

impl Row<'_> {
    fn field(&mut self, content: &[u8]) -> &mut Self {
        // A field comes from a response bounded far below 2 GiB.
        self.bytes.put_i32(i32::try_from(content.len()).unwrap_or(i32::MAX));
        self.bytes.put_slice(content);
        self.left -= 1;
        self
    }

    /// SQL NULL.
    pub fn null(&mut self) -> &mut Self {
        self.bytes.put_i32(NULL);
        self.left -= 1;
        self
    }

    /// `BIGINT`.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// `INTEGER`.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// `SMALLINT`.
    pub fn i16(&mut self, value: i16) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// `BYTEA`, `NULL` for none.
    pub fn bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(content) => self.field(content),
            None => self.null(),
        }
    }

    /// `TEXT`, `NULL` for none.
    pub fn text(&mut self, value: Option<&str>) -> &mut Self {
        self.bytes(value.map(str::as_bytes))
    }

    /// `UUID`.
    pub fn key(&mut self, value: AddressKey) -> &mut Self {
        self.field(&value.0)
    }

    /// `JSONB` (format version 1), `NULL` for none.
    pub fn json(&mut self, value: Option<&str>) -> &mut Self {
        let Some(text) = value else { return self.null() };
        self.bytes.put_i32(i32::try_from(text.len() + 1).unwrap_or(i32::MAX));
        self.bytes.put_u8(1);
        self.bytes.put_slice(text.as_bytes());
        self.left -= 1;
        self
    }

    /// `NUMERIC` without fraction, `NULL` for none.
    pub fn numeric(&mut self, value: Option<u128>) -> &mut Self {
        let Some(value) = value else { return self.null() };
        // 2^128 has 39 decimal digits: ten groups of four.
        let mut groups = [0_i16; 10];
        let mut count = 0_usize;
        let mut rest = value;
        while rest > 0 {
            let group = (rest % NUMERIC_BASE) as i16;
            if let Some(slot) = groups.get_mut(count) {
                *slot = group;
            }
            count += 1;
            rest /= NUMERIC_BASE;
        }
        // Trailing zero groups are not sent; the weight says where the first group stands.
        let zeros = groups.iter().take(count).take_while(|g| **g == 0).count();
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "≤ 10")]
        let (digits, weight) = ((count - zeros) as i16, count as i16 - 1);
        self.bytes.put_i32(8 + 2 * i32::from(digits));
        self.bytes.put_i16(digits);
        self.bytes.put_i16(if digits == 0 { 0 } else { weight });
        self.bytes.put_i16(0); // sign: positive
        self.bytes.put_i16(0); // display scale
        for group in groups.iter().take(count).skip(zeros).rev() {
            self.bytes.put_i16(*group);
        }
        self.left -= 1;
        self
    }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        debug_assert_eq!(self.left, 0, "a row must have exactly its table's columns");
    }
}
