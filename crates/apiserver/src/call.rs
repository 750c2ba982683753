//! One request whose resource is known: its object, refusals and answers.

mod options;

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::app::App;
use crate::auth::{self, Attributes};
use crate::causes::Cause;
use crate::fields;
use crate::http::{Answer, Content, Encoding, Form, Request};
use crate::keys;
use crate::kinds::Resource;
use crate::namespaces;
use crate::show::{self, Place, partial, shown};
use crate::status_error::{Deleting, Status};
use crate::storage::{Key, Refused, Stored};
use crate::table;

pub(crate) use options::{Validation, WriteOptions, dry_run};

/// A request whose resource is known.
pub(crate) struct Call<'a> {
    pub app: &'a Arc<App>,
    pub request: &'a Request,
    pub resource: Arc<Resource>,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
    pub form: Form,
    pub encoding: Encoding,
    /// What a client is told even when it is refused.
    pub told: Mutex<Vec<String>>,
    /// What a change leaves as wrong as it was, which a client is told in any case.
    pub tolerated: Mutex<Vec<String>>,
}

/// What a write left behind.
pub(crate) enum Written {
    /// A version of the object that is kept.
    Kept(Stored),
    /// An object that is not kept (any more), in the version of the request.
    Unkept(Value),
}

impl Call<'_> {
    /// What is odd about an object that is written, or new in it.
    pub(crate) fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        let whole = self.subresource.is_empty();
        if whole { crate::checks::warnings(&self.resource, new, old) } else { Vec::new() }
    }

    /// Notes warnings about the body of the request.
    pub(crate) fn tell(&self, warnings: &[String]) {
        if !warnings.is_empty() {
            self.told.lock().extend_from_slice(warnings);
        }
    }

    /// A PUT or an apply that would make an object needs the right to create it as well.
    pub(crate) fn require_create(&self) -> Result<(), Status> {
        let wanted = Attributes {
            verb: "create".into(),
            group: self.resource.group.to_string(),
            resource: self.resource.plural.to_string(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            path: None,
        };
        auth::require(&self.request.user, &wanted, &self.app.store)
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(&self.resource.key, &self.namespace, &self.name)
    }

    pub(crate) fn not_found(&self) -> Status {
        Status::not_found(&self.resource.group, &self.resource.plural, &self.name)
    }

    pub(crate) fn invalid(&self, name: &str, causes: Vec<Cause>) -> Status {
        // Events are told of as one kind, whatever they were sent as.
        let group = if &*self.resource.key == keys::EVENTS { "" } else { &self.resource.group };
        Status::invalid(group, &self.resource.kind, name, causes)
    }

    pub(crate) fn conflict(&self, name: &str) -> Status {
        Status::conflict(&self.resource.group, &self.resource.plural, name, MODIFIED)
    }

    /// The stored object of the path.
    pub(crate) fn existing(&self) -> Result<Stored, Status> {
        self.app.store.get(&self.key()).ok_or_else(|| self.not_found())
    }

    /// A refusal of the store in the words of an answer.
    pub(crate) fn refused(&self, refused: Refused, name: &str) -> Status {
        let resource = &self.resource;
        match refused {
            Refused::Exists(stored) => exists(resource, name, &stored),
            Refused::Changed => self.conflict(name),
            Refused::TooLarge => Status::too_large("the object is larger than 3145728 bytes"),
            Refused::TooMany => Status::too_large("the object has more than 500000 values"),
            Refused::TooDeep => Status::bad_request("the object is nested too deeply"),
            Refused::NoNamespace => Status::not_found("", "namespaces", &self.namespace),
            Refused::Terminating => namespaces::is_terminating(&self.namespace, resource, name),
            Refused::Disk(error) => {
                let cause =
                    std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                tracing::error!(%error, cause, "cannot keep a write");
                Status::internal(format!(
                    "the state could not be written: {error}{cause}; writes are taken again once it can be"
                ))
            }
        }
    }

    /// A stored object in the version and with the defaults of the request.
    pub(crate) fn shown(&self, object: Value) -> Value {
        shown(&self.resource, object)
    }

    /// An answer with one stored object, in the form that was asked for.
    pub(crate) fn answer_stored(&self, code: u16, stored: &Stored) -> Answer {
        if self.encoding == Encoding::Yaml || matches!(self.form, Form::Table(_)) {
            return self.answer(code, self.shown(stored.object()));
        }
        let mut text = Vec::new();
        match self.form {
            Form::Partial => show::write_partial(stored, &mut text),
            _ => show::write(&self.resource, stored, Place::Alone, &mut text),
        }
        Answer::json_text(code, text)
    }

    /// What a write left behind, in the version of the request.
    pub(crate) fn written(&self, written: Written) -> Value {
        match written {
            Written::Kept(stored) => self.shown(stored.object()),
            Written::Unkept(object) => object,
        }
    }

    /// An answer with what a write left behind.
    pub(crate) fn answer_written(&self, code: u16, written: Written) -> Answer {
        match written {
            Written::Kept(stored) => self.answer_stored(code, &stored),
            Written::Unkept(object) => self.answer(code, object),
        }
    }

    /// An answer with one object, in the form that was asked for.
    pub(crate) fn answer(&self, code: u16, object: Value) -> Answer {
        let shown = match self.form {
            Form::Object | Form::Discovery(_) => object,
            Form::Partial | Form::PartialList => partial(&object),
            Form::Table(version) => {
                let policy = self.request.query.text("includeObject").to_owned();
                table::of_one(&self.resource, version, &object, &policy)
            }
        };
        self.encoded(code, shown)
    }

    pub(crate) fn encoded(&self, code: u16, value: Value) -> Answer {
        let mut answer = Answer::json(code, value);
        if self.encoding == Encoding::Yaml
            && let Content::Json(value) = &answer.content
        {
            answer.content = Content::Yaml(sealfast_yaml::json::to_yaml(value));
        }
        answer
    }
}

/// The refusal to create what is there.
pub(crate) fn exists(resource: &Resource, name: &str, stored: &Stored) -> Status {
    let deleting = if fields::is_deleting(&stored.object()) { Deleting::Yes } else { Deleting::No };
    Status::already_exists(&resource.group, &resource.plural, name, deleting)
}

const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
/// How often a write that states no version starts anew after another; the reference never ends.
pub(crate) const RETRIES: usize = 100;
