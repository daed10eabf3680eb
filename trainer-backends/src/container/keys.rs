//! The ssh key pair of a job whose nodes reach each other by ssh, as the controller makes it: ECDSA on P-521.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use p521::{
    SecretKey,
    elliptic_curve::{rand_core::OsRng, sec1::ToEncodedPoint as _},
    pkcs8::LineEnding,
};
use trainer_core::{Error, ErrorKind, Result};

use super::files::Contents;

const KIND: &str = "ecdsa-sha2-nistp521";
const CURVE: &str = "nistp521";

/// A new pair, by the keys of the Secret (Kubeflow Trainer v2.3, `plugins/mpi`).
///
/// # Errors
/// `Internal` if the system has no random numbers for it.
pub(super) fn pair() -> Result<Contents> {
    let secret = SecretKey::random(&mut OsRng);
    let private = secret
        .to_sec1_pem(LineEnding::LF)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("an ssh key can't be written: {error}")))?;
    let point = secret.public_key().to_encoded_point(false);
    let mut blob = Vec::new();
    for part in [KIND.as_bytes(), CURVE.as_bytes(), point.as_bytes()] {
        // A point of this curve has 133 bytes.
        blob.extend_from_slice(&u32::try_from(part.len()).unwrap_or_default().to_be_bytes());
        blob.extend_from_slice(part);
    }
    let public = format!("{KIND} {}\n", BASE64_STANDARD.encode(blob));
    Ok(vec![
        ("ssh-privatekey".to_owned(), private.as_bytes().to_vec()),
        ("ssh-publickey".to_owned(), public.into_bytes()),
    ])
}
