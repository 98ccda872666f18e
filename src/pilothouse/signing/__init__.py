"""Signatures by SSH keys: SSHSIG, keys, certificates, files for ssh-keygen, the agent; passphrases as scrypt makes them."""
