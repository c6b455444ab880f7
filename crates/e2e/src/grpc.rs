//! A gRPC client that knows no message type: it speaks whatever descriptors say.

use std::collections::BTreeSet;

use anyhow::Context;
use futures::StreamExt;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use prost_reflect::{SerializeOptions, prost_types::FileDescriptorProto};
use serde_json::Value;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};
use tonic_reflection::pb::v1alpha;

/// A connection.
#[derive(Clone)]
pub struct Grpc {
    channel: Channel,
}

impl Grpc {
    /// Connects to a server like `http://127.0.0.1:9090`.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(url.to_owned())?.connect().await?;
        Ok(Self { channel })
    }

    /// One call with one answer.
    ///
    /// # Errors
    /// The status of the answer.
    pub async fn call(
        &self,
        method: &MethodDescriptor,
        message: DynamicMessage,
    ) -> Result<Response<DynamicMessage>, Status> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = PathAndQuery::try_from(path).map_err(|e| Status::unknown(e.to_string()))?;
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
        client.unary(Request::new(message), path, Dynamic(method.output())).await
    }

    /// What the server's reflection service says of everything it serves: names of the services,
    /// and their descriptors.
    pub async fn reflect(&self) -> anyhow::Result<(BTreeSet<String>, DescriptorPool)> {
        let listed = self.ask_reflection(MessageRequest::ListServices(String::new())).await?;
        let MessageResponse::ListServicesResponse(listed) = listed else {
            anyhow::bail!("not a list of services: {listed:?}");
        };
        let name = |service: ServiceResponse| service.name;
        let names: BTreeSet<String> = listed.service.into_iter().map(name).collect();
        let mut files = Vec::new();
        for name in &names {
            let request = MessageRequest::FileContainingSymbol(name.clone());
            self.collect_file(request, &mut files).await?;
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files)?;
        Ok((names, pool))
    }

    /// Names of the services as the older version of the reflection service gives them, which tools
    /// ask where they do not know the newer one.
    pub async fn reflect_alpha(&self) -> anyhow::Result<BTreeSet<String>> {
        let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
        let request =
            v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
        let channel = self.channel.clone();
        let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
        let requests = futures::stream::iter([request]);
        let mut answers = client.server_reflection_info(requests).await?.into_inner();
        let answer = answers.next().await.context("no answer")??.message_response;
        match answer {
            Some(v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(
                all,
            )) => Ok(all.service.into_iter().map(|service| service.name).collect()),
            other => anyhow::bail!("not a list of services: {other:?}"),
        }
    }

    /// A file and, before it, what it imports.
    async fn collect_file(
        &self,
        request: MessageRequest,
        files: &mut Vec<FileDescriptorProto>,
    ) -> anyhow::Result<()> {
        let MessageResponse::FileDescriptorResponse(found) = self.ask_reflection(request).await?
        else {
            anyhow::bail!("not a file");
        };
        for bytes in found.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice())?;
            if files.iter().any(|known| known.name == file.name) {
                continue;
            }
            for import in &file.dependency {
                let request = MessageRequest::FileByFilename(import.clone());
                Box::pin(self.collect_file(request, files)).await?;
            }
            files.push(file);
        }
        Ok(())
    }

    async fn ask_reflection(&self, request: MessageRequest) -> anyhow::Result<MessageResponse> {
        let request =
            ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let mut client = ServerReflectionClient::new(self.channel.clone());
        let requests = futures::stream::iter([request]);
        let mut answers = client.server_reflection_info(requests).await?.into_inner();
        let answer = answers.next().await.context("no answer")??;
        answer.message_response.context("an empty answer")
    }
}

/// A message as the JSON that REST writes: our names, numbers as numbers, absent fields left out.
pub fn to_json(message: &DynamicMessage) -> anyhow::Result<Value> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// Encodes any message, decodes one type.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(self.0.clone())
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(out).map_err(|error| Status::data_loss(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), message);
        message.map(Some).map_err(|error| Status::data_loss(error.to_string()))
    }
}
