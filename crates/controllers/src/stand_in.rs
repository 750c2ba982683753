//! An API server with one object, for tests: somebody else may always be quicker.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use serde_json::{Value, json};

/// What happens there.
#[derive(Default)]
pub(crate) struct Scene {
    /// The object; null when it is gone.
    pub(crate) object: Value,
    /// What others make of it, each right before a patch comes.
    pub(crate) others: VecDeque<Value>,
    /// The patches that came, refused ones included.
    pub(crate) patches: Vec<Value>,
}

/// The server, as its client sees it, and from behind.
pub(crate) struct StandIn {
    pub(crate) client: Client,
    pub(crate) scene: Arc<Mutex<Scene>>,
}

impl StandIn {
    /// A server with the Kustomization `app` in `ns`.
    pub(crate) async fn with(status: Value) -> StandIn {
        // Whoever was first: another test may have set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let object = json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "app", "namespace": "ns", "uid": "u", "resourceVersion": "1"}, "status": status});
        let scene = Arc::new(Mutex::new(Scene { object, ..Scene::default() }));
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", socket.local_addr().expect("it is bound"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&scene));
        tokio::spawn(async move { axum::serve(socket, router).await });
        let client = Client::from_url(&url, None, None).await.expect("an address");
        StandIn { client, scene }
    }

    pub(crate) fn object(&self) -> Value {
        self.scene.lock().object.clone()
    }
}

async fn answer(State(scene): State<Arc<Mutex<Scene>>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut scene = scene.lock();
    if uri.path().ends_with("/v1") {
        let kind = json!({"name": "kustomizations", "namespaced": true, "kind": "Kustomization"});
        return axum::Json(json!({"kind": "APIResourceList", "resources": [kind]})).into_response();
    }
    if method == Method::PATCH {
        let patch: Value = serde_json::from_slice(&body).expect("a patch is JSON");
        scene.patches.push(patch.clone());
        if let Some(change) = scene.others.pop_front() {
            written(&mut scene.object, &change);
        }
        let known = &patch["metadata"]["resourceVersion"];
        if !known.is_null()
            && *known != scene.object["metadata"]["resourceVersion"]
            && !scene.object.is_null()
        {
            return refusal(StatusCode::CONFLICT, "Conflict");
        }
        if !scene.object.is_null() {
            let annotations = patch["metadata"].get("annotations");
            let mut change = json!({});
            if let Some(status) = patch.get("status") {
                change["status"] = status.clone();
            }
            if let Some(annotations) = annotations {
                change["metadata"] = json!({"annotations": annotations});
            }
            written(&mut scene.object, &change);
        }
    }
    match &scene.object {
        Value::Null => {
            let status =
                json!({"kind": "Status", "reason": "NotFound", "code": 404, "details": {"name": "app"}});
            (StatusCode::NOT_FOUND, axum::Json(status)).into_response()
        }
        object => axum::Json(object.clone()).into_response(),
    }
}

/// Makes a change, and of the object another version; null takes it away.
fn written(object: &mut Value, change: &Value) {
    if change.is_null() {
        *object = Value::Null;
        return;
    }
    merge(object, change);
    let version = object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse::<u64>().ok());
    object["metadata"]["resourceVersion"] = (version.unwrap_or_default() + 1).to_string().into();
}

fn merge(to: &mut Value, from: &Value) {
    let Some(fields) = from.as_object() else {
        *to = from.clone();
        return;
    };
    for (key, value) in fields {
        match (value, to.as_object_mut()) {
            (Value::Null, Some(to)) => drop(to.remove(key)),
            _ => merge(&mut to[key], value),
        }
    }
}

fn refusal(code: StatusCode, reason: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
        "message": reason, "code": code.as_u16()});
    (code, axum::Json(status)).into_response()
}
