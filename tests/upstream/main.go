// What Headscale's own code makes of an input: a line of JSON in, a line of JSON out.
// Built by tests/upstream.py against the module of one release (0.28 and later).
package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/juanfont/headscale/hscontrol/types"
	"github.com/rs/zerolog"
	"github.com/spf13/viper"
	"golang.org/x/oauth2"
)

type input struct {
	Op       string
	Text     string            // config
	Environ  map[string]string // config
	Claims   []byte            // login
	Userinfo []byte            // login
	Verified bool              // login: email_verified_required
	Domains  []string          // login
	Groups   []string          // login
	Users    []string          // login
	Token    string            // token
	Key      []byte            // token: a public key, DER
	Now      int64             // token
}

var userinfo []byte
var endpoint = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(userinfo)
}))

func refused(err error) any { return map[string]any{"err": err.Error()} }

// As hscontrol/oidc.go: OIDCCallbackHandler, from the claims on, and doOIDCAuthorization.
func login(in input) any {
	var claims types.OIDCClaims
	if err := json.Unmarshal(in.Claims, &claims); err != nil {
		return refused(err)
	}
	userinfo = in.Userinfo
	ctx := context.Background()
	provider := (&oidc.ProviderConfig{IssuerURL: "https://idp", UserInfoURL: endpoint.URL}).NewProvider(ctx)
	found, _ := provider.UserInfo(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "x"}))
	var own types.OIDCUserInfo
	used := found != nil && found.Claims(&own) == nil && own.Sub == claims.Sub
	if used {
		claims.Email = cmp.Or(own.Email, claims.Email)
		claims.EmailVerified = cmp.Or(own.EmailVerified, claims.EmailVerified)
		claims.Username = cmp.Or(own.PreferredUsername, claims.Username)
		claims.Name = cmp.Or(own.Name, claims.Name)
		claims.ProfilePictureURL = cmp.Or(own.Picture, claims.ProfilePictureURL)
		if own.Groups != nil {
			claims.Groups = own.Groups
		}
	}
	var user types.User
	user.FromClaim(&claims, in.Verified)
	return map[string]any{
		"used": used, "reason": reason(in, &claims), "username": user.Name, "email": user.Email,
		"identifier": user.ProviderIdentifier.String, "name": user.DisplayName, "picture": user.ProfilePicURL,
	}
}

func reason(in input, claims *types.OIDCClaims) string {
	among := func(group string) bool { return slices.Contains(claims.Groups, group) }
	if len(in.Groups) > 0 && !slices.ContainsFunc(in.Groups, among) {
		return "group-not-allowed"
	}
	if in.Verified && !bool(claims.EmailVerified) && len(in.Domains)+len(in.Users) > 0 {
		return "email-unverified"
	}
	at := strings.LastIndex(claims.Email, "@")
	if len(in.Domains) > 0 && (at < 0 || !slices.Contains(in.Domains, claims.Email[at+1:])) {
		return "domain-not-allowed"
	}
	if len(in.Users) > 0 && !slices.Contains(in.Users, claims.Email) {
		return "user-not-allowed"
	}
	return ""
}

func token(in input) any {
	key, err := x509.ParsePKIXPublicKey(in.Key)
	if err != nil {
		panic(err)
	}
	keys := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key}}
	verifier := oidc.NewVerifier("https://idp", keys, &oidc.Config{
		ClientID: "headscale", SupportedSigningAlgs: []string{"ES256"},
		Now: func() time.Time { return time.Unix(in.Now, 0) },
	})
	found, err := verifier.Verify(context.Background(), in.Token)
	if err != nil {
		return refused(err)
	}
	return map[string]any{"sub": found.Subject, "nonce": found.Nonce, "exp": found.Expiry.Unix()}
}

func config(in input, folder string) any {
	path := filepath.Join(folder, "config.yaml")
	if err := os.WriteFile(path, []byte(in.Text), 0o600); err != nil {
		panic(err)
	}
	for name, value := range in.Environ {
		os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	viper.Reset()
	if err := types.LoadConfig(path, true); err != nil {
		return refused(err)
	}
	read, err := types.LoadServerConfig()
	if err != nil {
		return refused(err)
	}
	oidc := read.OIDC
	return map[string]any{
		"issuer": oidc.Issuer, "client_id": oidc.ClientID, "client_secret": oidc.ClientSecret,
		"domains": oidc.AllowedDomains, "groups": oidc.AllowedGroups, "users": oidc.AllowedUsers,
		"scope": oidc.Scope, "extra_params": oidc.ExtraParams, "only_start": oidc.OnlyStartIfOIDCIsAvailable,
		"token_expiry": oidc.UseExpiryFromToken, "verified_required": oidc.EmailVerifiedRequired,
		"pkce": oidc.PKCE.Enabled, "pkce_method": oidc.PKCE.Method,
	}
}

func main() {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	folder := os.Args[1]
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<24), 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var in input
		if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
			panic(err)
		}
		switch in.Op {
		case "login":
			out.Encode(login(in))
		case "token":
			out.Encode(token(in))
		case "config":
			out.Encode(config(in, folder))
		}
	}
}
