const containerLeads =
  "-v --volume --mount --volumes-from --privileged --pid --ipc --userns --uts --device --cap-add --security-opt --network=host --net=host --cgroupns";

/** Of the program or sub-command of that name. A row is taken apart when it is asked for: a hook asks for few. */
function tableOf<T>(rows: Readonly<Record<string, string>>, parse: (row: string) => T): (name: string) => T | undefined {
  const known = new Map<string, T>();
  return (name) => {
    const row = Object.hasOwn(rows, name) ? rows[name] : undefined;
    if (row !== undefined && !known.has(name)) known.set(name, parse(row));
    return known.get(name);
  };
}

/** Options that make of a command one on another folder, another file of tasks, or the machine that a container is to be kept from. */
export const leads = tableOf(
  {
    ...{ make: "-f -C -I --file --makefile --directory --include-dir", npm: "-C --prefix", pnpm: "-C --dir --prefix", yarn: "--cwd" },
    ...{ bun: "--cwd --config -c", cargo: "-C --manifest-path", go: "-C", git: "-C --git-dir --work-tree", just: "-f -d --justfile" },
    ...{ rake: "-f -r -R -I --rakefile --require", gradle: "-I -b -c -p --init-script --build-file --project-dir --include-build" },
    ...{ mvn: "-f -s -gs --file --settings", ant: "-f -buildfile -file", task: "-t -d --taskfile --dir", bazel: "--bazelrc" },
    ...{
      pytest: "-c -p --rootdir --confcutdir",
      "docker run": containerLeads,
      "podman run": containerLeads,
      "docker create": containerLeads,
    },
  },
  (row): ReadonlySet<string> => new Set(row.split(" ")),
);

const parseGroups = (row: string): readonly (readonly string[])[] => row.split(" ").map((group) => group.split(","));

/** Where it has a row the pairs are certain, and others that begin alike are not meant. */
export const synonymsOf = tableOf(
  {
    rm: "r,R,recursive f,force d,dir i,interactive v,verbose",
    cp: "r,R,recursive f,force a,archive",
    mv: "f,force n,no-clobber",
    ln: "s,symbolic f,force",
    chmod: "R,recursive f,silent,quiet",
    chown: "R,recursive",
    chgrp: "R,recursive",
    "git push": "f,force,mirror d,delete n,dry-run u,set-upstream",
    "git commit": "n,no-verify a,all m,message",
    "git clean": "f,force n,dry-run",
    "git add": "A,all f,force",
    "git branch": "d,delete f,force",
    "git checkout": "f,force",
    "git switch": "f,force",
    "git rm": "r,r f,force",
    "git tag": "d,delete f,force",
    "docker rm": "f,force v,volumes",
    "docker rmi": "f,force",
    npm: "f,force g,global",
    curl: "X,request o,output d,data T,upload-file K,config",
    wget: "O,output-document",
    apt: "y,yes,assume-yes",
    "apt-get": "y,yes,assume-yes",
    tar: "x,extract,get c,create f,file",
    sed: "i,in-place e,expression",
    rsync: "r,recursive",
  },
  parseGroups,
);

/** Other words for a sub-command; npm takes any beginning of one as well. */
export const subCommandsOf = tableOf(
  {
    npm: "install,i,in,ins,inst,insta,instal,isnt,isntall,add test,t,tst run,run-script,rum,urn uninstall,un,unlink,remove,rm,r update,up,upgrade exec,x",
    pnpm: "install,i add uninstall,un,remove,rm run,run-script exec,x",
    yarn: "add install remove",
    cargo: "build,b test,t run,r check,c remove,rm",
    brew: "uninstall,remove,rm",
  },
  parseGroups,
);

/** Options that take the next word, so that it is no sub-command. */
export const valuedOf = tableOf(
  {
    git: "-C -c --git-dir --work-tree --namespace --config-env --super-prefix --attr-source",
    "git commit": "-m --message -F --file -C --author --date -t --template --fixup --squash --trailer",
    docker: "-H --host -c --context --config -l --log-level",
    "docker compose": "-f --file -p --project-name --profile --project-directory --env-file",
    podman: "-H --url -c --connection --log-level --root",
    npm: "--prefix -C -w --workspace --registry --userconfig --loglevel",
    pnpm: "--dir -C -F --filter --prefix",
    yarn: "--cwd",
    kubectl: "-n --namespace --context --cluster --kubeconfig -s --server --user --as -v --as-group --request-timeout --token",
    helm: "-n --namespace --kube-context --kubeconfig",
    cargo: "--manifest-path --color --config -Z -C",
    make: "-C -f --file --directory",
    gh: "-R --repo",
    go: "-C",
    systemctl: "-H --host -M --machine -t --type -p --property",
    aws: "--profile --region --output --endpoint-url",
    gcloud: "--project --account",
    ...{ apt: "-o --option -c --config-file -t --target-release -a", "apt-get": "-o --option -c --config-file -t --target-release -a" },
  },
  (row): ReadonlySet<string> => new Set(row.split(" ")),
);

/** They spell long options with one dash, and have no clusters. */
export const singleDashed: ReadonlySet<string> = new Set("find go java terraform openssl ffmpeg tmux".split(" "));

/** Each of their words is one more thing to do: `make clean deploy`. */
export const listsTargets: ReadonlySet<string> = new Set(
  "make just rake gradle gradlew mvn mvnw ninja ant invoke grunt gulp task".split(" "),
);
