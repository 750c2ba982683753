//! Bare repositories whose commits have the recorded hashes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use sealfast_testkit::{git, program};

/// Seconds of the first commit; each commit is a minute later.
const BEGAN: i64 = 1_700_000_000;

pub(crate) struct Repo {
    pub(crate) path: PathBuf,
    /// In front of `commit-N`: empty, or the repository's name and a dash.
    pub(crate) label: String,
    pub(crate) commits: BTreeMap<i64, String>,
    pushed: i64,
}

impl Repo {
    pub(crate) fn new(path: PathBuf, label: String) -> Result<Repo> {
        let shown = path.to_string_lossy().into_owned();
        let repo = Repo { path, label, commits: BTreeMap::new(), pushed: 0 };
        repo.run(&["init", "-q", "--bare", "-b", "main", &shown], &[], None)?;
        for (key, value) in [("http.receivepack", "true"), ("uploadpack.allowAnySHA1InWant", "true")] {
            repo.run(&["--git-dir", &shown, "config", key, value], &[], None)?;
        }
        Ok(repo)
    }

    fn run(&self, args: &[&str], env: &[(&str, &str)], input: Option<&[u8]>) -> Result<String> {
        let home = self.path.parent().context("a repository has a folder")?;
        let mut command: Command = git::git(home)?;
        command.args(args).envs(env.iter().copied());
        let Some(input) = input else { return program::text(&mut command) };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(input)?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("git {args:?} ended with {}", output.status);
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Commits a tree as the step says.
    pub(crate) fn push(&mut self, tree: &Path, step: &Value, case: &Path) -> Result<()> {
        self.pushed += 1;
        let number = step["push"].as_i64().context("push takes a number")?;
        let index = self.path.join("index-golden");
        let _ = std::fs::remove_file(&index);
        let when = format!("{} +0000", BEGAN + 60 * step["minute"].as_i64().unwrap_or(self.pushed));
        let (folder, tree, index) =
            (self.path.to_string_lossy(), tree.to_string_lossy(), index.to_string_lossy());
        let env: [(&str, &str); 11] = [
            ("GIT_DIR", &folder),
            ("GIT_WORK_TREE", &tree),
            ("GIT_INDEX_FILE", &index),
            ("GIT_AUTHOR_NAME", "A. Author"),
            ("GIT_COMMITTER_NAME", "A. Author"),
            ("GIT_AUTHOR_DATE", &when),
            ("GIT_COMMITTER_DATE", &when),
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "core.autocrlf"),
            ("GIT_CONFIG_VALUE_0", "false"),
            ("GIT_OPTIONAL_LOCKS", "0"),
        ];
        let run = |args: &[&str], input: Option<&[u8]>| self.run(args, &env, input);
        run(&["-C", &tree, "-c", "core.bare=false", "add", "-A", "-f", "."], None)?;
        for (path, commit) in step["gitlinks"].as_object().into_iter().flatten() {
            let entry = format!("160000,{},{path}", commit.as_str().unwrap_or_default());
            run(&["-c", "core.bare=false", "update-index", "--add", "--cacheinfo", &entry], None)?;
        }
        let written = run(&["-c", "core.bare=false", "write-tree"], None)?;
        let branch = step["branch"].as_str().unwrap_or("main");
        let head = format!("refs/heads/{branch}");
        let commit = match step["raw"].as_str() {
            Some(file) => run(
                &["hash-object", "-t", "commit", "-w", "--stdin"],
                Some(&std::fs::read(case.join(file))?),
            )?,
            None => {
                let parent = run(&["for-each-ref", "--format=%(objectname)", &head], None)?;
                let message = format!("{}commit {number}", self.label);
                let message = step["message"].as_str().unwrap_or(&message);
                let mut args = vec!["commit-tree", &written, "-m", message];
                if !parent.is_empty() && step["orphan"] != true {
                    args.extend(["-p", &parent]);
                }
                run(&args, None)?
            }
        };
        run(&["update-ref", &head, &commit], None)?;
        let names = |key: &str| step[key].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for name in names("tags") {
            run(&["update-ref", &format!("refs/tags/{}", text(&name)), &commit], None)?;
        }
        for name in names("annotated_tags").iter().map(text) {
            run(&["tag", "-f", "-a", "-m", &format!("tag {name}"), &name, &commit], None)?;
        }
        for (name, file) in step["raw_tags"].as_object().into_iter().flatten() {
            let raw = std::fs::read(case.join(text(file)))?;
            let tag = run(&["hash-object", "-t", "tag", "-w", "--stdin"], Some(&raw))?;
            run(&["update-ref", &format!("refs/tags/{name}"), &tag], None)?;
        }
        for name in names("refs") {
            run(&["update-ref", &text(&name), &commit], None)?;
        }
        self.commits.insert(number, commit);
        Ok(())
    }
}
