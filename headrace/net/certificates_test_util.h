// A certificate authority for one test.
#pragma once
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace headrace::net {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

class TestAuthority {
 public:
  TestAuthority() : key_(NewKey()), certificate_(Make("Test CA", key_.get(), nullptr)) {}

  std::string certificate() const { return Pem(certificate_.get()); }
  // Signed by this authority; valid for localhost and 127.0.0.1 and the next hour.
  KeyPair Issue(const std::string& common_name) const {
    const Key key = NewKey();
    const Certificate certificate = Make(common_name, key.get(), this);
    return {Pem(certificate.get()), KeyPem(key.get())};
  }

 private:
  template <auto Free>
  struct Deleter {
    template <class T>
    void operator()(T* pointer) const {
      Free(pointer);
    }
  };
  using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
  using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
  using Memory = std::unique_ptr<BIO, Deleter<BIO_free>>;

  static Key NewKey() { return Key(EVP_EC_gen("P-256")); }

  static void Add(X509* certificate, X509* issuer, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  // Self-signed when `authority` is null.
  static Certificate Make(const std::string& common_name, EVP_PKEY* key, const TestAuthority* authority) {
    static long serial = 1;
    Certificate certificate(X509_new());
    X509* x509 = certificate.get();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x509), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
    X509* issuer = authority ? authority->certificate_.get() : x509;
    X509_set_issuer_name(x509, X509_get_subject_name(issuer));
    Add(x509, issuer, NID_basic_constraints, authority ? "CA:FALSE" : "critical,CA:TRUE");
    if (authority) Add(x509, issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_sign(x509, authority ? authority->key_.get() : key, EVP_sha256());
    return certificate;
  }

  static std::string Text(BIO* bio) {
    char* data = nullptr;
    const long length = BIO_get_mem_data(bio, &data);
    return {data, static_cast<size_t>(length)};
  }
  static std::string Pem(X509* certificate) {
    const Memory bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate);
    return Text(bio.get());
  }
  static std::string KeyPem(EVP_PKEY* key) {
    const Memory bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return Text(bio.get());
  }

  Key key_;
  Certificate certificate_;
};

}  // namespace headrace::net
