//! From the JSON of an answer to the wire form of its message, in one pass.
//!
//! The answers of REST are finished (and cached) JSON; the message is the same answer in another
//! spelling, made by the descriptor of its type. A field of one side that the other does not know is
//! an error, not a loss. Written out because no library keeps the exact text of nested JSON.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{FieldDescriptor, Kind as ProtoKind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Field numbers of the entries of a map (protobuf's encoding of maps).
const MAP_KEY: u32 = 1;
const MAP_VALUE: u32 = 2;

/// A message type as the JSON of REST spells it. Messages do not contain themselves.
#[derive(Debug)]
pub(crate) struct Shape {
    fields: HashMap<String, Field>,
}

#[derive(Debug)]
struct Field {
    number: u32,
    kind: Kind,
    repeated: bool,
}

#[derive(Debug)]
enum Kind {
    Text,
    /// Any JSON, kept as its text.
    Json,
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Double,
    Message(Arc<Shape>),
    Map(Box<Kind>),
}

/// Shapes made so far, by the type's full name.
pub(crate) type Known = HashMap<String, Arc<Shape>>;

impl Shape {
    /// The shape of a type.
    ///
    /// # Errors
    /// The field whose type has no spelling here.
    pub(crate) fn of(message: &MessageDescriptor, known: &mut Known) -> Result<Arc<Self>, String> {
        if let Some(shape) = known.get(message.full_name()) {
            return Ok(Arc::clone(shape));
        }
        let mut fields = HashMap::new();
        for field in message.fields() {
            let kind = Kind::of(&field, known)?;
            let repeated = field.is_list();
            let entry = Field { number: field.number(), kind, repeated };
            fields.insert(field.name().to_owned(), entry);
        }
        let shape = Arc::new(Self { fields });
        known.insert(message.full_name().to_owned(), Arc::clone(&shape));
        Ok(shape)
    }

    /// The message that says what `json` says.
    ///
    /// # Errors
    /// What the type has no field for, or a value that does not fit its field.
    pub(crate) fn encode(&self, json: &[u8]) -> Result<Bytes, serde_json::Error> {
        // Field names take more room than their numbers; amounts are texts on both sides.
        let mut out = Vec::with_capacity(json.len());
        let mut json = serde_json::Deserializer::from_slice(json);
        MessageSeed { shape: self, out: &mut out }.deserialize(&mut json)?;
        json.end()?;
        Ok(Bytes::from(out))
    }
}

impl Kind {
    fn of(field: &FieldDescriptor, known: &mut Known) -> Result<Self, String> {
        if chert_proto::is_json(&field.options()) {
            return Ok(Self::Json);
        }
        Ok(match field.kind() {
            ProtoKind::String => Self::Text,
            ProtoKind::Bool => Self::Bool,
            ProtoKind::Int32 => Self::Int32,
            ProtoKind::Int64 => Self::Int64,
            ProtoKind::Uint32 => Self::Uint32,
            ProtoKind::Uint64 => Self::Uint64,
            ProtoKind::Double => Self::Double,
            ProtoKind::Message(entry) if entry.is_map_entry() => {
                let value = Self::of(&entry.map_entry_value_field(), known)?;
                Self::Map(Box::new(value))
            }
            ProtoKind::Message(message) => Self::Message(Shape::of(&message, known)?),
            other => return Err(format!("{}: no spelling for {other:?}", field.full_name())),
        })
    }
}

struct MessageSeed<'a> {
    shape: &'a Shape,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let Some(field) = self.shape.fields.get(name.as_ref()) else {
                return Err(A::Error::custom(format_args!("no field {name}")));
            };
            map.next_value_seed(ValueSeed {
                number: field.number,
                kind: &field.kind,
                repeated: field.repeated,
                out: self.out,
            })?;
        }
        Ok(())
    }
}

/// One value of a field. Null writes nothing: an `optional` field that is absent.
struct ValueSeed<'a> {
    number: u32,
    kind: &'a Kind,
    repeated: bool,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if matches!(self.kind, Kind::Json) && !self.repeated {
            let json: &'de RawValue = serde::Deserialize::deserialize(deserializer)?;
            if json.get() != "null" {
                self.delimited(json.get().as_bytes());
            }
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl ValueSeed<'_> {
    fn delimited(self, bytes: &[u8]) {
        encode_key(self.number, WireType::LengthDelimited, self.out);
        encode_varint(bytes.len() as u64, self.out);
        self.out.extend_from_slice(bytes);
    }

    fn varint(self, value: u64) {
        encode_key(self.number, WireType::Varint, self.out);
        encode_varint(value, self.out);
    }

    fn integer<E: Error>(self, value: i128) -> Result<(), E> {
        let fits = match self.kind {
            Kind::Int32 => i32::try_from(value).is_ok(),
            Kind::Int64 => i64::try_from(value).is_ok(),
            Kind::Uint32 => u32::try_from(value).is_ok(),
            Kind::Uint64 => u64::try_from(value).is_ok(),
            Kind::Double => {
                #[expect(clippy::cast_precision_loss, reason = "REST wrote a rounded figure")]
                return self.visit_f64(value as f64);
            }
            _ => return Err(self.misfit("an integer")),
        };
        if !fits {
            return Err(E::custom(format_args!("{value} does not fit field {}", self.number)));
        }
        // Negative numbers are written as the 64 bits of their two's complement.
        let bits = u64::try_from(value).or_else(|_| i64::try_from(value).map(i64::cast_unsigned));
        self.varint(bits.map_err(E::custom)?);
        Ok(())
    }

    fn misfit<E: Error>(&self, what: &str) -> E {
        E::custom(format_args!("{what} does not fit field {} ({:?})", self.number, self.kind))
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a value for field {} ({:?})", self.number, self.kind)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.kind {
            Kind::Bool => self.varint(u64::from(value)),
            _ => return Err(self.misfit("a boolean")),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if !matches!(self.kind, Kind::Double) {
            return Err(self.misfit("a fraction"));
        }
        encode_key(self.number, WireType::SixtyFourBit, self.out);
        self.out.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        match self.kind {
            Kind::Text => self.delimited(value.as_bytes()),
            _ => return Err(self.misfit("a text")),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if !self.repeated {
            return Err(self.misfit("a list"));
        }
        // Not packed: a parser takes either form, and lists here hold messages and texts.
        loop {
            let seed = ValueSeed {
                number: self.number,
                kind: self.kind,
                repeated: false,
                out: &mut *self.out,
            };
            if items.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.kind {
            Kind::Message(shape) if !self.repeated => {
                let mut nested = Vec::new();
                MessageSeed { shape, out: &mut nested }.visit_map(map)?;
                self.delimited(&nested);
            }
            Kind::Map(kind) => {
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    let mut entry = Vec::new();
                    let text = &Kind::Text;
                    let name =
                        ValueSeed { number: MAP_KEY, kind: text, repeated: false, out: &mut entry };
                    name.delimited(key.as_bytes());
                    let out = &mut entry;
                    map.next_value_seed(ValueSeed {
                        number: MAP_VALUE,
                        kind,
                        repeated: false,
                        out,
                    })?;
                    encode_key(self.number, WireType::LengthDelimited, self.out);
                    encode_varint(entry.len() as u64, self.out);
                    self.out.extend_from_slice(&entry);
                }
            }
            _ => return Err(self.misfit("an object")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chert_proto::v1;
    use prost::Message;

    use super::*;

    fn encode<M: Message + Default>(name: &str, json: &str) -> Result<M, String> {
        let message = chert_proto::pool().get_message_by_name(&format!("chert.api.v1.{name}"));
        let shape = Shape::of(&message.unwrap(), &mut Known::new()).unwrap();
        let bytes = shape.encode(json.as_bytes()).map_err(|error| error.to_string())?;
        Ok(M::decode(bytes).unwrap())
    }

    #[test]
    fn json_becomes_the_message_and_keeps_every_digit() {
        let json = r#"{"tx_id":"a\u0000é","block_height":-1,"index":9007199254740993,"nonce":null,
            "sender":"","confirmations":0,"outputs":[{"recipient":"x","amount":"1"},
            {"recipient":"y","amount":"2"}],"payload":{"big": 123456789012345678901.50, "n":null}}"#;
        let view: v1::TransactionView = encode("TransactionView", json).unwrap();
        assert_eq!((view.tx_id.as_str(), view.block_height), ("a\0é", -1));
        assert_eq!((view.index, view.nonce), (9_007_199_254_740_993, None));
        assert_eq!((view.sender.as_deref(), view.recipient), (Some(""), None));
        assert_eq!(view.outputs.len(), 2);
        assert_eq!(view.payload.unwrap(), r#"{"big": 123456789012345678901.50, "n":null}"#);
    }

    #[test]
    fn maps_fractions_and_the_largest_numbers() {
        let json = r#"{"identity_id":"i","rank_percentile":99.5,"work_breakdown":{
            "zk":{"count":3,"credits":"1.5","rewards":"2"},"":{"count":0}}}"#;
        let stats: v1::PouwStatsView = encode("PouwStatsView", json).unwrap();
        assert_eq!(stats.rank_percentile, Some(99.5));
        assert_eq!(stats.work_breakdown.len(), 2);
        assert_eq!(stats.work_breakdown["zk"].credits, "1.5");
        let json = r#"{"gas_used":18446744073709551615,"tx_count":2147483647}"#;
        let block: v1::BlockItem = encode("BlockItem", json).unwrap();
        assert_eq!((block.gas_used, block.tx_count), (u64::MAX, i32::MAX));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for (json, reason) in [
            (r#"{"colour":"red"}"#, "no field colour"),
            (r#"{"tx_count":2147483648}"#, "does not fit"),
            (r#"{"gas_used":-1}"#, "does not fit"),
            (r#"{"height":1.5}"#, "a fraction"),
            (r#"{"height":"1"}"#, "a text"),
            (r#"{"hash":[]}"#, "a list"),
            (r#"{"hash":{}}"#, "an object"),
            (r#"{"hash":true}"#, "a boolean"),
            (r#"{} x"#, "trailing"),
            ("[]", "an object"),
        ] {
            let error = encode::<v1::BlockItem>("BlockItem", json).unwrap_err();
            assert!(error.contains(reason), "{json}: {error}");
        }
    }
}
