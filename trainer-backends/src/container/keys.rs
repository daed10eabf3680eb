//! The ssh key pair of a job whose nodes reach each other by ssh, as the controller makes it: ECDSA on P-521.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use p521::{
    SecretKey,
    elliptic_curve::{rand_core::OsRng, sec1::ToEncodedPoint as _},
};

use super::files::Contents;

const KIND: &str = "ecdsa-sha2-nistp521";
const CURVE: &str = "nistp521";

/// A new pair, by the keys of the Secret (Kubeflow Trainer v2.3, `plugins/mpi`).
pub(super) fn pair() -> Contents {
    let secret = SecretKey::random(&mut OsRng);
    let point = secret.public_key().to_encoded_point(false);
    vec![
        ("ssh-privatekey".to_owned(), private(&secret.to_bytes(), point.as_bytes()).into_bytes()),
        ("ssh-publickey".to_owned(), public(point.as_bytes()).into_bytes()),
    ]
}

/// `ECPrivateKey` of RFC 5915. The crate's own text leaves out the curve, and ssh doesn't guess it.
fn private(number: &[u8], point: &[u8]) -> String {
    const VERSION: [u8; 3] = [0x02, 0x01, 0x01];
    const NAMED_CURVE: [u8; 9] = [0xa0, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
    let bits = [&[0], point].concat();
    let content =
        [&VERSION[..], &element(0x04, number), &NAMED_CURVE[..], &element(0xa1, &element(0x03, &bits))].concat();
    let text = BASE64_STANDARD.encode(element(0x30, &content));
    let mut pem = "-----BEGIN EC PRIVATE KEY-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        pem += line;
        pem.push('\n');
        rest = after;
    }
    pem + "-----END EC PRIVATE KEY-----\n"
}

/// An element of DER, of at most 255 bytes: those of a key on this curve have fewer.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let head: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    [head, content].concat()
}

fn public(point: &[u8]) -> String {
    let mut blob = Vec::new();
    for part in [KIND.as_bytes(), CURVE.as_bytes(), point] {
        blob.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        blob.extend_from_slice(part);
    }
    format!("{KIND} {}\n", BASE64_STANDARD.encode(blob))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_private_key_names_its_curve_and_reads_back() {
        let pair = pair();
        let [(_, private), (_, public)] = pair.as_slice() else { panic!("{pair:?}") };
        let secret = SecretKey::from_sec1_pem(std::str::from_utf8(private).unwrap()).unwrap();
        let point = secret.public_key().to_encoded_point(false);
        assert_eq!(self::public(point.as_bytes()).as_bytes(), public);
        let der = element(0x30, &[0; 0x80]);
        assert_eq!(der.get(..3), Some(&[0x30, 0x81, 0x80][..]));
    }
}
