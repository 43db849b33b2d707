//! Certificates for one test, in every form of key file that users have.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

/// What the encrypted key files are locked with.
pub const PASSPHRASE: &str = "a passphrase of the tests";

/// A self-signed certificate for localhost, 127.0.0.1 and `::1`, and its key, as PEM files in a folder that
/// goes when this is dropped.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
}

/// The forms of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// `BEGIN PRIVATE KEY`.
    Pkcs8,
    /// `BEGIN RSA PRIVATE KEY` (PKCS#1) or `BEGIN EC PRIVATE KEY` (SEC1), as the key is.
    Traditional,
    /// `BEGIN ENCRYPTED PRIVATE KEY`.
    EncryptedPkcs8,
    /// The traditional form with `Proc-Type: 4,ENCRYPTED`.
    EncryptedTraditional,
}

impl Certificate {
    /// With an elliptic key (P-256), which is made in no time.
    ///
    /// # Panics
    /// When it cannot be made or written.
    pub fn ec() -> Self {
        Self::of(&KeyPair::generate().expect("an elliptic key"))
    }

    /// With an RSA key of 2048 bits.
    ///
    /// # Panics
    /// When it cannot be made or written.
    pub fn rsa() -> Self {
        let pem = openssl(&["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
        Self::of(&KeyPair::from_pem(&pem).expect("an RSA key"))
    }

    /// As `openssl req` makes it with `key`, the arguments that say what key is wanted. Of version 1 where it is `old`.
    ///
    /// # Panics
    /// When it cannot be made or written.
    pub fn made_with(key: &[&str], old: bool) -> Self {
        let certificate = Self { folder: TempDir::new().expect("a folder for a certificate") };
        let (cert_file, key_file) = (text(&certificate.cert()), text(&certificate.key()));
        let request = [&["req", "-nodes", "-subj", "/CN=localhost", "-keyout", &key_file], key].concat();
        if old {
            let asked = text(&certificate.cert().with_file_name("request.pem"));
            openssl(&[&request[..], &["-new", "-out", &asked]].concat());
            openssl(&["x509", "-req", "-in", &asked, "-signkey", &key_file, "-days", "2", "-out", &cert_file]);
        } else {
            openssl(&[&request[..], &["-x509", "-days", "2", "-out", &cert_file]].concat());
        }
        certificate
    }

    fn of(key: &KeyPair) -> Self {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names of a certificate");
        let certificate = params.self_signed(key).expect("a certificate");
        let folder = TempDir::new().expect("a folder for a certificate");
        fs::write(folder.path().join("cert.pem"), certificate.pem()).expect("a certificate file");
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).expect("a key file");
        Self { folder }
    }

    /// The certificate file.
    pub fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The key file, PKCS#8.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The arguments that give both to the server.
    pub fn args(&self) -> [String; 4] {
        ["--cert".to_owned(), text(&self.cert()), "--key".to_owned(), text(&self.key())]
    }

    /// The key in another form, in a file of its own.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn key_as(&self, form: KeyForm) -> PathBuf {
        let key = text(&self.key());
        let locked = ["-aes256", "-passout", &format!("pass:{PASSPHRASE}")];
        let pem = match form {
            KeyForm::Pkcs8 => return self.key(),
            KeyForm::Traditional => openssl(&["pkey", "-in", &key, "-traditional"]),
            KeyForm::EncryptedPkcs8 => openssl(&[&["pkey", "-in", key.as_str()], locked.as_slice()].concat()),
            KeyForm::EncryptedTraditional => {
                openssl(&[&["pkey", "-in", key.as_str(), "-traditional"], locked.as_slice()].concat())
            }
        };
        let file = self.folder.path().join(format!("key-{form:?}.pem"));
        fs::write(&file, pem).expect("a key file");
        file
    }

    /// A file that holds the certificate and its key.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn combined(&self) -> PathBuf {
        let file = self.folder.path().join("combined.pem");
        let both = [self.cert(), self.key()].map(|part| fs::read_to_string(part).expect("a PEM file"));
        fs::write(&file, both.concat()).expect("a PEM file");
        file
    }
}

/// What `openssl s_client` prints when it connects with `args` and hangs up.
///
/// # Panics
/// When it cannot be run.
pub fn s_client(port: u16, args: &[&str]) -> String {
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address, "-servername", "localhost"]).args(args);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the openssl command (tests/run installs it)");
    // It reads the answer to its request, and with it the tickets that came before.
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    drop(child.stdin.take().map(|mut stdin| stdin.write_all(request)));
    let output = child.wait_with_output().expect("what openssl prints");
    let text = [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
    println!("openssl s_client {args:?}: {text}");
    text
}

/// What [`s_client`] prints in a first handshake, whose session it keeps in `file`.
///
/// # Panics
/// When it was no full handshake.
pub fn first_visit(port: u16, args: &[&str], file: &Path) -> String {
    let text = s_client(port, &[args, &["-ign_eof", "-sess_out", &text(file)]].concat());
    assert!(text.contains("New, TLSv1."), "{text}");
    text
}

/// What [`s_client`] prints when it comes with the session in `file`.
///
/// # Panics
/// When it cannot be run.
pub fn visit(port: u16, args: &[&str], file: &Path) -> String {
    s_client(port, &[args, &["-ign_eof", "-sess_in", &text(file)]].concat())
}

/// What the `openssl` command prints.
fn openssl(args: &[&str]) -> String {
    let output = Command::new("openssl").args(args).output().expect("the openssl command (tests/run installs it)");
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("PEM is text")
}

fn text(path: &Path) -> String {
    path.to_str().expect("a temporary path in UTF-8").to_owned()
}
