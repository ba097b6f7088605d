# A git server: sshd, and a user `git` who can do nothing but git. Run as root by `sh -eu`.
echo 127.0.0.1 git.example.org >>/etc/hosts
useradd --create-home --home-dir /srv/git --shell /usr/bin/git-shell git
useradd --create-home --shell /bin/bash --groups systemd-journal,ci-users dev
systemctl start ssh.service
cd /srv/git

runuser --user git -- git init --quiet --bare --initial-branch=main /srv/git/shop.git
runuser --user dev -- sh -euc '
    ssh-keygen -q -t ed25519 -N "" -C dev -f ~/.ssh/id_ed25519
    ssh-keyscan -t ed25519 git.example.org >~/.ssh/known_hosts 2>/dev/null
    git config --global user.name Dev
    git config --global user.email dev@localhost
    git config --global init.defaultBranch main
'
# unitci's key reads one repository, whatever its bearer asks for.
ssh-keygen -q -t ed25519 -N '' -C unitci -f /root/shop-git
install -d -o git -g git -m 700 /srv/git/.ssh
{
    echo "restrict $(cat /home/dev/.ssh/id_ed25519.pub)"
    echo "restrict,command=\"git-upload-pack 'shop.git'\" $(cat /root/shop-git.pub)"
} >/srv/git/.ssh/authorized_keys
chown git:git /srv/git/.ssh/authorized_keys
