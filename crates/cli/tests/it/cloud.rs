//! Key services on the command line, with every kind of credentials.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use sealfast_testkit::cloud::aws;
use sealfast_testkit::cloud::azure::{self, Azure};
use sealfast_testkit::cloud::google::{Google, Open, PLAIN_TOKEN, WORKLOAD};
use sealfast_testkit::cloud::wire::{Asked, Server};
use sealfast_testkit::scratch::Scratch;

const GCP_KEY: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/k";

/// A folder that is also the home directory, and variables.
struct Desk {
    folder: Scratch,
    variables: Vec<(&'static str, String)>,
}

impl Desk {
    fn new(variables: &[(&'static str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { folder: Scratch::new().unwrap(), variables }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        self.folder.write(name, content).unwrap().to_string_lossy().into_owned()
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.push((name, value.into()));
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealfast"));
        command
            .arg("sops")
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().display()))
            .env("HOME", self.folder.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.output().unwrap()
    }

    /// Encrypts for a key and decrypts again.
    fn round_trip(&self, flags: &[&str]) {
        self.file("a.yaml", "a: one\n");
        let encrypted = self.run(&[&["encrypt", "-i"], flags, &["a.yaml"]].concat());
        assert!(encrypted.status.success(), "{}", String::from_utf8_lossy(&encrypted.stderr));
        let decrypted = self.run(&["decrypt", "a.yaml"]);
        assert!(decrypted.status.success(), "{}", String::from_utf8_lossy(&decrypted.stderr));
        assert_eq!(String::from_utf8_lossy(&decrypted.stdout), "a: one\n");
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn on_aws(server: &Server) -> Desk {
    Desk::new(&[("AWS_ENDPOINT_URL", &server.url()), ("AWS_EC2_METADATA_DISABLED", "true")])
}

#[test]
fn aws_credentials_of_variables_and_profiles() {
    let server = aws::start().unwrap();
    let mut desk = on_aws(&server);
    desk.set("AWS_ACCESS_KEY_ID", aws::ACCESS_KEY);
    desk.set("AWS_SECRET_ACCESS_KEY", aws::SECRET_KEY);
    desk.round_trip(&["--kms", aws::KEY, "--encryption-context", "App:web"]);
    desk.round_trip(&["--kms", &format!("{}+{}", aws::ALIAS, aws::ROLE)]);

    let (id, secret, role) = (aws::ACCESS_KEY, aws::SECRET_KEY, aws::ROLE);
    let desk = on_aws(&server);
    desk.file(
        ".aws/credentials",
        format!("[keys]\naws_access_key_id={id}\naws_secret_access_key={secret}\n"),
    );
    desk.file(
        ".aws/config",
        format!("[profile deploy]\nrole_arn={role}\nsource_profile=keys\nregion={}\n", aws::REGION),
    );
    desk.round_trip(&["--kms", aws::KEY, "--aws-profile", "keys"]);
    desk.round_trip(&["--kms", aws::KEY, "--aws-profile", "deploy"]);
    let words = desk.refused(&["encrypt", "--kms", aws::KEY, "--aws-profile", "nope", ".aws/config"]);
    assert!(words.contains("no credentials for AWS KMS: ") && words.contains("nope"), "{words}");
}

#[test]
fn aws_credentials_of_a_web_identity_and_of_a_program() {
    let server = aws::start().unwrap();
    let mut desk = on_aws(&server);
    let token = desk.file("token", aws::WORKLOAD);
    desk.set("AWS_WEB_IDENTITY_TOKEN_FILE", token);
    desk.set("AWS_ROLE_ARN", aws::ROLE);
    desk.set("AWS_REGION", aws::REGION);
    desk.round_trip(&["--kms", aws::KEY]);

    let desk = on_aws(&server);
    let (id, secret) = (aws::ACCESS_KEY, aws::SECRET_KEY);
    let answer = format!("{{\"Version\":1,\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"{secret}\"}}");
    let program = desk.file("give", format!("#!/bin/sh\necho '{answer}'\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    desk.file(".aws/config", format!("[default]\ncredential_process={program}\n"));
    desk.round_trip(&["--kms", aws::KEY]);
}

#[test]
fn buckets_are_written_by_who_the_chain_finds() {
    let server = aws::start().unwrap();
    let desk = || {
        let mut desk = on_aws(&server);
        desk.file(".sops.yaml", "destination_rules:\n- s3_bucket: store\n  s3_prefix: in/\n");
        desk.set("AWS_ACCESS_KEY_ID", aws::ACCESS_KEY);
        desk.set("AWS_SECRET_ACCESS_KEY", aws::SECRET_KEY);
        desk.file("a.yaml", "a: one\n");
        let output = desk.run(&["encrypt", "-i", "--kms", aws::KEY, "a.yaml"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        desk.variables.truncate(2);
        desk
    };
    let (id, secret, role) = (aws::ACCESS_KEY, aws::SECRET_KEY, aws::ROLE);
    let mut profile = desk();
    let keys = format!("[keys]\naws_access_key_id={id}\naws_secret_access_key={secret}\n");
    profile.file(".aws/credentials", keys);
    let deploy = format!("[profile deploy]\nrole_arn={role}\nsource_profile=keys\nregion={}\n", aws::REGION);
    profile.file(".aws/config", deploy);
    profile.set("AWS_PROFILE", "deploy");
    let mut web = desk();
    let token = web.file("token", aws::WORKLOAD);
    web.set("AWS_WEB_IDENTITY_TOKEN_FILE", token);
    web.set("AWS_ROLE_ARN", role);
    web.set("AWS_REGION", aws::REGION);
    for desk in [profile, web] {
        let output = desk.run(&["publish", "--yes", "a.yaml"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let asked = server.asked();
        let put = asked.last().unwrap();
        assert_eq!((put.method.as_str(), put.path.as_str()), ("PUT", "/store/in/a.yaml"));
        assert_eq!(put.body, fs::read(desk.folder.join("a.yaml")).unwrap());
        assert!(!put.header("x-amz-security-token").is_empty(), "a session signed");
    }
    let words = desk().refused(&["publish", "--yes", "a.yaml"]);
    assert!(words.contains("no credentials for AWS: "), "{words}");
}

#[test]
fn google_application_default_credentials() {
    let kms = Google::start_with_tls(Open::WithToken).unwrap();
    let machine = Google::start(Open::WithToken).unwrap();
    let desk = || {
        let mut desk = Desk::new(&[("SOPS_GCP_KMS_ENDPOINT", &kms.url())]);
        let certificate = desk.file("ca.pem", kms.certificate());
        desk.set("SSL_CERT_FILE", certificate);
        desk
    };
    let mut with_file = desk();
    let account = with_file.file("account.json", kms.service_account().unwrap().to_string());
    with_file.set("GOOGLE_APPLICATION_CREDENTIALS", account);
    with_file.round_trip(&["--gcp-kms", GCP_KEY]);

    let of_gcloud = desk();
    of_gcloud.file(".config/gcloud/application_default_credentials.json", kms.authorized_user().to_string());
    of_gcloud.round_trip(&["--gcp-kms", GCP_KEY]);

    let mut federated = desk();
    let proof = federated.file("proof", WORKLOAD);
    let account = kms.external_account(proof.as_ref()).to_string();
    let account = federated.file("account.json", account);
    federated.set("GOOGLE_APPLICATION_CREDENTIALS", account);
    federated.round_trip(&["--gcp-kms", GCP_KEY]);

    let mut on_machine = desk();
    on_machine.set("GCE_METADATA_HOST", machine.host());
    on_machine.round_trip(&["--gcp-kms", GCP_KEY]);
}

#[test]
fn google_credentials_that_sops_reads_and_an_emulator() {
    let kms = Google::start_with_tls(Open::WithToken).unwrap();
    let mut desk = Desk::new(&[("SOPS_GCP_KMS_ENDPOINT", &kms.url())]);
    let certificate = desk.file("ca.pem", kms.certificate());
    desk.set("SSL_CERT_FILE", certificate);
    let base = desk.variables.clone();
    let account = kms.service_account().unwrap().to_string();
    let file = desk.file("account.json", &account);
    let ways = [
        ("GOOGLE_CREDENTIALS", account),
        ("GOOGLE_CREDENTIALS", file),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", PLAIN_TOKEN.to_owned()),
    ];
    for (name, value) in ways {
        desk.variables = base.clone();
        desk.set(name, value);
        desk.round_trip(&["--gcp-kms", GCP_KEY]);
    }
    let emulator = Google::start(Open::ToAll).unwrap();
    Desk::new(&[("SOPS_GCP_KMS_ENDPOINT", &emulator.url())]).round_trip(&["--gcp-kms", GCP_KEY]);
}

#[test]
fn azure_logins() {
    let server = Azure::start().unwrap();
    let proxy = server.proxy().unwrap();
    let key = format!("https://{}/keys/{}", azure::VAULT, azure::KEY);
    let desk = || {
        let proxy = proxy.url();
        let mut desk = Desk::new(&[("HTTPS_PROXY", &proxy), ("HTTP_PROXY", &proxy), ("http_proxy", &proxy)]);
        let certificate = desk.file("ca.pem", server.certificate());
        desk.set("SSL_CERT_FILE", certificate);
        desk
    };
    let mut application = desk();
    application.set("AZURE_TENANT_ID", azure::TENANT);
    application.set("AZURE_CLIENT_ID", azure::CLIENT);
    let known = application.variables.clone();
    application.set("AZURE_CLIENT_SECRET", azure::SECRET);
    application.round_trip(&["--azure-kv", &key]);
    let written = fs::read_to_string(application.folder.join("a.yaml")).unwrap();
    assert!(written.contains(&format!("version: {}", azure::VERSION)), "{written}");

    application.variables = known.clone();
    let identity = server.application();
    let file = application.file("app.pem", format!("{}{}", identity.certificate, identity.encrypted));
    application.set("AZURE_CLIENT_CERTIFICATE_PATH", file);
    application.set("AZURE_CLIENT_CERTIFICATE_PASSWORD", azure::PASSWORD);
    application.set("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true");
    application.round_trip(&["--azure-kv", &key]);
    let is_sent = |asked: &Asked| asked.form("client_assertion").is_some_and(|text| text.len() > 1000);
    assert!(server.asked().iter().any(is_sent), "the certificate went along");

    application.variables = known;
    let token = application.file("token", azure::ASSERTION);
    application.set("AZURE_FEDERATED_TOKEN_FILE", token);
    application.round_trip(&["--azure-kv", &format!("{key}/{}", azure::VERSION)]);

    // The machine's own identity, through the proxy that is Azure to everything.
    desk().round_trip(&["--azure-kv", &key]);

    let mut nobody = Desk::new(&[("HTTPS_PROXY", &proxy.url()), ("HTTP_PROXY", "http://127.0.0.1:1")]);
    let certificate = nobody.file("ca.pem", server.certificate());
    nobody.set("SSL_CERT_FILE", certificate);
    let answer = format!(
        "{{\"accessToken\":\"{}\",\"expiresOn\":\"2100-01-01 00:00:00.000000\",\"expires_on\":4102444800,\"tokenType\":\"Bearer\"}}",
        azure::CLI_TOKEN
    );
    let az = nobody.file("az", format!("#!/bin/sh\necho '{answer}'\n"));
    fs::set_permissions(&az, fs::Permissions::from_mode(0o755)).unwrap();
    nobody.round_trip(&["--azure-kv", &key]);
}

#[test]
fn each_key_that_was_tried_is_told_with_what_to_do() {
    let emulator = Google::start(Open::ToAll).unwrap();
    let desk = Desk::new(&[("SOPS_GCP_KMS_ENDPOINT", &emulator.url())]);
    desk.file("a.yaml", "a: one\n");
    assert!(desk.run(&["encrypt", "-i", "--gcp-kms", GCP_KEY, "a.yaml"]).status.success());
    drop(emulator);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealfast"));
    let output = command
        .args(["decrypt", "a.yaml"])
        .current_dir(desk.folder.path())
        .env_clear()
        .env("HOME", desk.folder.path())
        .env("GOOGLE_CREDENTIALS", "{\"type\":\"s3cr3t\"}")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(128));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains(&format!("{GCP_KEY}: FAILED")), "{words}");
    assert!(words.contains("no credentials for GCP KMS"), "{words}");
    assert!(words.contains("hint: run `gcloud auth application-default login`"), "{words}");
    assert!(!words.contains("s3cr3t"), "{words}");
}
