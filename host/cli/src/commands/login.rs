//! `bulkhead login`

use std::io::{Read, stdin};

use bulkhead_api::auth::{AuthConfig, AuthResponse};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::credentials::{self, DOCKER_HUB, Kept};
use crate::error::{Error, Result};
use crate::output::print;
use crate::{prompt, terminal};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] [SERVER]")]
pub(crate) struct LoginArgs {
    /// Password or access token
    #[arg(short, long)]
    password: Option<String>,
    /// Take the password or access token from STDIN
    #[arg(long)]
    password_stdin: bool,
    /// User name
    #[arg(short, long)]
    username: Option<String>,
    #[arg(value_name = "SERVER", hide = true)]
    server: Option<String>,
}

pub(crate) async fn execute(client: &Client, args: &LoginArgs) -> Result<u8> {
    if args.password.is_some() {
        eprintln!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    if args.password_stdin && args.password.is_some() {
        return Err(Error::Conflict(
            "--password and --password-stdin are mutually exclusive",
        ));
    }
    if args.password_stdin && args.username.is_none() {
        return Err(Error::Conflict(
            "the --password-stdin option requires --username to be set",
        ));
    }
    let server = match args.server.as_deref() {
        None | Some("" | "docker.io") => DOCKER_HUB,
        Some(server) => server,
    };
    if let Some(known) = args.stored(client, server)? {
        eprint!("Authenticating with existing credentials...");
        match known.username.as_str() {
            "" => eprintln!(),
            name => eprintln!(" [Username: {name}]"),
        }
        eprintln!(
            "\n Info -> To login with a different account, run 'bulkhead logout' followed by 'bulkhead login'\n\n"
        );
        match login(client, &known).await {
            Ok(status) => {
                print(format_args!("{status}\n"))?;
                return Ok(0);
            }
            Err(error) => eprintln!("Login did not succeed, error: {error}"),
        }
    }
    let auth = args.ask(server)?;
    let status = login(client, &auth).await?;
    print(format_args!("{status}\n"))?;
    Ok(0)
}

/// Has the credentials checked, keeps them and gives the daemon's words.
async fn login(client: &Client, auth: &AuthConfig) -> Result<String> {
    let answer: AuthResponse = client.json(Call::new(Route::Auth).json(auth)).await?;
    let kept = AuthConfig {
        identity_token: answer.identity_token,
        ..auth.clone()
    };
    if credentials::find(&client.config().load()?, &auth.server_address).as_ref() == Some(&kept) {
        return Ok(answer.status);
    }
    if credentials::store(client.config(), &kept)? == Kept::Plainly {
        eprintln!(
            "\nWARNING! Your credentials are stored unencrypted in '{}'.\n\
             Configure a credential helper to remove this warning. See\n\
             https://docs.docker.com/go/credential-store/\n",
            client.config().path().join("config.json").display()
        );
    }
    Ok(answer.status)
}

impl LoginArgs {
    /// Credentials of an earlier login, if none are given now.
    fn stored(&self, client: &Client, server: &str) -> Result<Option<AuthConfig>> {
        if self.username.is_some() || self.password.is_some() {
            return Ok(None);
        }
        let known = credentials::find(&client.config().load()?, server);
        let has_secret =
            |auth: &AuthConfig| !auth.password.is_empty() || !auth.identity_token.is_empty();
        Ok(known.filter(has_secret))
    }

    fn ask(&self, server: &str) -> Result<AuthConfig> {
        let io_error = |source| Error::Io {
            doing: "read the password",
            source,
        };
        let asks = self.username.is_none() || (self.password.is_none() && !self.password_stdin);
        if asks && !terminal::stdin_is_terminal() {
            return Err(Error::Conflict(
                "Error: Cannot perform an interactive login from a non TTY device",
            ));
        }
        let username = match &self.username {
            Some(name) => name.clone(),
            None => prompt::line("Username: ")?,
        };
        let password = match (&self.password, self.password_stdin) {
            (Some(password), _) => password.clone(),
            (None, true) => {
                let mut text = String::new();
                stdin().lock().read_to_string(&mut text).map_err(io_error)?;
                text.trim_end_matches(['\n', '\r']).to_owned()
            }
            (None, false) => prompt::secret("Password: ")?,
        };
        if username.is_empty() || password.is_empty() {
            return Err(Error::Conflict(
                "Error: user name and password are required",
            ));
        }
        Ok(AuthConfig {
            username,
            password,
            server_address: server.to_owned(),
            ..AuthConfig::default()
        })
    }
}
