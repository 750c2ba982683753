//! Which objects a command line names.
//!
//! Follows: the resource builder of kubectl: `TYPE NAME…`, `TYPE/NAME…`, `TYPE,TYPE NAME…`.

use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use crate::flux::args::Args;
use crate::flux::{Failed, told};

/// Reads the objects that the arguments name.
pub(super) async fn objects(client: &Client, args: &Args, namespace: &str) -> Result<Vec<Value>, Failed> {
    let (kind, version) = (args.filled("kind"), args.filled("api-version"));
    if kind.or(version).is_none() {
        return found(client, &pairs(&args.names)?, namespace).await;
    }
    let name = args.names.first().ok_or("object name is required")?;
    let kind = kind.ok_or("object kind is required (--kind)")?;
    let version = version.ok_or("object apiVersion is required (--api-version)")?;
    if version.matches('/').count() > 1 {
        return Err(format!("invalid apiVersion: unexpected GroupVersion string: {version}").into());
    }
    let gvk = GroupVersionKind::from_api_version(version, kind);
    let object = client.get(&gvk, namespace, name).await;
    let object = object.map_err(|error| format!("failed to find object: {}", told(&error)))?;
    Ok(vec![object])
}

/// What a word of the command line stands for, and the name of an object.
type Pair<'a> = (&'a str, &'a str);

fn pairs(words: &[String]) -> Result<Vec<Pair<'_>>, Failed> {
    let [first, names @ ..] = words else {
        return Err("either `<resource>/<name>` or `<resource> <name>` is required as an argument".into());
    };
    let with_slash = words.iter().filter(|word| word.contains('/')).count();
    if with_slash == words.len() {
        return words.iter().map(|word| pair(word)).collect();
    }
    if with_slash > 0 {
        return Err("there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'flux trace resource/<resource_name>' instead of 'flux trace resource resource/<resource_name>')".into());
    }
    if names.is_empty() {
        return Ok(vec![(first, "")]);
    }
    let kinds = first.split(',').filter(|kind| !kind.is_empty());
    Ok(kinds.flat_map(|kind| names.iter().map(move |name| (kind, name.as_str()))).collect())
}

fn pair(word: &str) -> Result<Pair<'_>, Failed> {
    let (kind, name) = word.split_once('/').unwrap_or_default();
    if name.contains('/') {
        return Err("arguments in resource/name form may not have more than one slash".into());
    }
    if kind.is_empty() || name.is_empty() || kind.contains(',') {
        return Err("arguments in resource/name form must have a single resource and name".into());
    }
    Ok((kind, name))
}

async fn found(client: &Client, pairs: &[Pair<'_>], namespace: &str) -> Result<Vec<Value>, Failed> {
    let served = client.kinds().await?;
    let mut kinds = Vec::new();
    for (word, name) in pairs {
        let gvk = served.named(word);
        let type_name = word.split('.').next().unwrap_or_default();
        let gvk = gvk.ok_or_else(|| format!("the server doesn't have a resource type {type_name:?}"))?;
        if name.is_empty() {
            return Err("resource(s) were provided, but no name was specified".into());
        }
        kinds.push(gvk);
    }
    let (mut objects, mut refusals) = (Vec::new(), Vec::new());
    for (gvk, (_, name)) in kinds.iter().zip(pairs) {
        match client.get(gvk, namespace, name).await {
            Ok(object) => objects.push(object),
            Err(error) => refusals.push(told(&error)),
        }
    }
    match refusals.as_slice() {
        [] => Ok(objects),
        [one] => Err(one.as_str().into()),
        several => Err(format!("[{}]", several.join(", ")).into()),
    }
}
