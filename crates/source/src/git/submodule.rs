//! Submodules: other repositories at a commit that the tree names.
//!
//! Follows: go-git. Differs: passwords and tokens of the parent go to its own host alone, and a submodule that the list of
//! submodules does not name stays an empty directory.

use gix::bstr::ByteSlice as _;

use super::commit::Commit;
use super::remote::Remote;
use super::{Auth, Request};
use crate::error::Error;
use crate::tree::Tree as _;
use crate::url::Address;

/// Submodules of submodules, so many times.
const DEEPEST: usize = 10;
/// So many altogether.
const MOST: usize = 200;
/// The list of submodules in a tree.
const LIST: &str = ".gitmodules";

/// Fetches the submodules of a commit, and theirs, into its tree.
pub(super) fn fill(commit: &mut Commit, remote: &Remote<'_>) -> Result<(), Error> {
    Filler { left: MOST }.fill(commit, remote, &Place::default())
}

/// Where a repository would lie on a disk: its work tree below the root, its Git directory below the root's.
#[derive(Clone, Debug, Default)]
struct Place {
    work_tree: String,
    git_directory: String,
    depth: usize,
}

struct Filler {
    left: usize,
}

impl Filler {
    fn fill(&mut self, commit: &mut Commit, remote: &Remote<'_>, place: &Place) -> Result<(), Error> {
        let wanted = commit.submodules();
        if wanted.is_empty() || place.depth >= DEEPEST {
            return Ok(());
        }
        let Ok(list) = commit.read(LIST) else { return Ok(()) };
        let known = parse(&list)?;
        for (path, id) in wanted {
            let Some(module) = known.iter().find(|module| module.path == path) else { continue };
            self.left =
                self.left.checked_sub(1).ok_or(Error::TooLarge { what: "submodules", limit: MOST as u64 })?;
            let inner = place.inside(module);
            let git_directory = inner.git_directory_from_work_tree();
            let other = self.fetch(&id.to_string(), module, remote, &inner)?;
            commit.attach(&path, other, &git_directory)?;
        }
        Ok(())
    }

    fn fetch(
        &mut self,
        commit: &str,
        module: &Module,
        parent: &Remote<'_>,
        place: &Place,
    ) -> Result<Commit, Error> {
        let failed =
            |source: Error| Error::Submodule { path: place.work_tree.clone(), source: Box::new(source) };
        let address = resolve(&module.url, &parent.request.address).map_err(failed)?;
        check(&address, parent.request).map_err(failed)?;
        let request = request(address, parent.request);
        let remote = Remote { request: &request, deadline: parent.deadline, stop: parent.stop.clone() };
        let mut fetched = super::fetch_commit(commit, None, &remote).map_err(failed)?;
        self.fill(&mut fetched, &remote, place)?;
        Ok(fetched)
    }
}

impl Place {
    fn inside(&self, module: &Module) -> Self {
        let join = |above: &str, below: &str| {
            if above.is_empty() { below.to_owned() } else { format!("{above}/{below}") }
        };
        Self {
            work_tree: join(&self.work_tree, &module.path),
            git_directory: join(&self.git_directory, &format!("modules/{}", module.name)),
            depth: self.depth + 1,
        }
    }

    fn git_directory_from_work_tree(&self) -> String {
        let up = "../".repeat(self.work_tree.split('/').count());
        format!("{up}.git/{}", self.git_directory)
    }
}

/// One entry of the list.
#[derive(Debug, PartialEq, Eq)]
struct Module {
    name: String,
    path: String,
    url: String,
}

fn parse(list: &[u8]) -> Result<Vec<Module>, Error> {
    let unreadable = |error: String| Error::Protocol { text: format!("cannot read `{LIST}`: {error}") };
    let text = list.to_str().map_err(|error| unreadable(error.to_string()))?;
    let file = gix::config::File::try_from(text).map_err(|error| unreadable(error.to_string()))?;
    let mut found = Vec::new();
    for section in file.sections_by_name("submodule").into_iter().flatten() {
        let value = |key: &str| section.value(key).map(|value| value.to_string());
        let name = section.header().subsection_name().map(ToString::to_string);
        if let (Some(name), Some(path), Some(url)) = (name, value("path"), value("url")) {
            found.push(Module { name, path: path.trim_end_matches('/').to_owned(), url });
        }
    }
    Ok(found)
}

/// Refuses what a request does not allow.
fn check(address: &Address, request: &Request) -> Result<(), Error> {
    let Some(prefixes) = &request.submodule_prefixes else { return Ok(()) };
    let shown = address.bare().as_str();
    if prefixes.iter().any(|prefix| shown.starts_with(prefix.as_str())) {
        return Ok(());
    }
    Err(Error::Url { reason: format!("`{}` is not among the addresses that are allowed", address.shown()) })
}

/// An address that begins with `./` or `../` is meant from that of the parent.
fn resolve(url: &str, parent: &Address) -> Result<Address, Error> {
    if !url.starts_with("./") && !url.starts_with("../") {
        return Address::parse(&with_scheme(url));
    }
    let mut base = parent.bare().clone();
    let mut elements: Vec<String> =
        base.path().split('/').filter(|element| !element.is_empty()).map(str::to_owned).collect();
    for element in url.split('/') {
        match element {
            "" | "." => {}
            ".." => drop(elements.pop()),
            other => elements.push(other.to_owned()),
        }
    }
    base.set_path(&elements.join("/"));
    Address::parse(base.as_str())
}

/// `git@host:path` is what many write for `ssh://git@host/path`.
fn with_scheme(url: &str) -> String {
    match url.split_once(':') {
        Some((host, path)) if !url.contains("://") && host.contains('@') && !host.contains('/') => {
            format!("ssh://{host}/{path}")
        }
        _ => url.to_owned(),
    }
}

fn request(address: Address, parent: &Request) -> Request {
    // An SSH key tells nobody anything, and goes only to hosts whose keys are known.
    let same_host = address.bare().origin() == parent.address.bare().origin()
        || (address.is_ssh() && parent.address.is_ssh());
    let (auth, address) = match same_host {
        true => (parent.auth.clone(), address.with_user_of(&parent.address)),
        false => (Auth::None, address),
    };
    let client_certificate = parent.client_certificate.clone().filter(|_| same_host);
    Request { address, auth, client_certificate, known_revision: None, submodules: false, ..parent.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_be_relative_to_the_parent() {
        let parent = Address::parse("https://host:8443/team/app.git").expect("an address");
        let of = |url: &str| resolve(url, &parent).map(|address| address.shown().to_owned()).ok();
        assert_eq!(of("../lib.git").as_deref(), Some("https://host:8443/team/lib.git"));
        assert_eq!(of("./x").as_deref(), Some("https://host:8443/team/app.git/x"));
        assert_eq!(of("../../../../lib").as_deref(), Some("https://host:8443/lib"));
        assert_eq!(of("git@other:lib.git").as_deref(), Some("ssh://git@other/lib.git"));
        assert_eq!(of("file:///etc"), None);
    }

    #[test]
    fn the_list_is_read_and_places_are_found() {
        let list = b"[submodule \"lib\"]\n\tpath = libs/one\n\turl = ../one.git\n[other]\n\tpath = x\n";
        let found = parse(list).expect("a list");
        let one =
            Module { name: "lib".to_owned(), path: "libs/one".to_owned(), url: "../one.git".to_owned() };
        assert_eq!(found, [one]);
        let place = Place::default().inside(&found[0]);
        assert_eq!(place.git_directory_from_work_tree(), "../../.git/modules/lib");
        assert_eq!(place.inside(&found[0]).git_directory, "modules/lib/modules/lib");
    }

    #[test]
    fn credentials_stay_with_their_host() {
        let parent = Request {
            auth: Auth::Bearer("token".to_owned().into()),
            ..Request::new(Address::parse("https://one/a").expect("an address"), Default::default())
        };
        let other = |url: &str| request(Address::parse(url).expect("an address"), &parent).auth;
        assert!(matches!(other("https://two/b"), Auth::None));
        assert!(matches!(other("http://one/b"), Auth::None));
        assert!(matches!(other("https://one/b"), Auth::Bearer(_)));
    }
}
