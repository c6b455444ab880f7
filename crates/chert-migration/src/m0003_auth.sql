-- Authentication: which nonces of signed requests were used. The API's own table; nothing of the
-- chain depends on it, and losing it costs no more than the replay protection of a few minutes.

CREATE TABLE nonces (
    nonce      BYTEA  PRIMARY KEY,             -- SHA-256 of the signer's key and its nonce
    expires_at BIGINT NOT NULL                 -- Unix seconds from which on the signature is refused anyway
);
CREATE INDEX nonces_expires_at ON nonces (expires_at);
