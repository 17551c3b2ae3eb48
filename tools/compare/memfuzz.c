// Ring 4, memory: a seeded stream of memory calls on a fixed window of addresses. After each call it prints the result, errno and the window's
// lines of /proc/self/maps; children of fork and the end print a checksum of the contents. The same seed must print the same lines on Linux
// and on NanoVM. memfuzz.sh runs and compares.  Usage: memfuzz SEED STEPS
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <setjmp.h>
#include <signal.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#define N 64
static char *B=(char*)0x100000000000UL; static unsigned long s; static unsigned rnd(unsigned n){ s=s*6364136223846793005UL+1442695040888963407UL; return (s>>33)%n; }
static sigjmp_buf jb; static void h(int g,siginfo_t*i,void*c){ siglongjmp(jb,g*100+i->si_code); }
static int fd;
static void maps(void){ static char buf[65536]; int f=open("/proc/self/maps",O_RDONLY); int n=0,k; while((k=read(f,buf+n,sizeof buf-1-n))>0) n+=k; close(f); buf[n]=0; char*p=buf; while(*p){ unsigned long a,b; char r[8]; unsigned long off; sscanf(p,"%lx-%lx %7s %lx",&a,&b,r,&off); if(a>=(unsigned long)B-N*4096 && a<(unsigned long)B+4*N*4096) { char*e=strchr(p,'\n'); int file=e&&memchr(p,'/',e-p)!=0; printf(" [%ld+%ld %s %s%lx]",((long)a-(long)B)/4096,(b-a)/4096,r,file?"f":"",file?off/4096:0);} p=strchr(p,'\n'); if(!p)break; p++; } printf("\n"); }
int main(int c,char**v){ s=atol(v[1]); int steps=atoi(v[2]); setvbuf(stdout,0,_IOFBF,1<<16);
 struct sigaction sa={.sa_sigaction=h,.sa_flags=SA_SIGINFO|SA_NODEFER}; sigaction(SIGSEGV,&sa,0); sigaction(SIGBUS,&sa,0);
 fd=open("/tmp/fuzzfile",O_RDWR|O_CREAT|O_TRUNC,0600); for(int i=0;i<20;i++){ char pg[4096]; memset(pg,'a'+i,4096); write(fd,pg,4096);} 
 static const int prots[]={0,1,3,3,3,5,7,2};
 for(int t=0;t<steps;t++){ long r=0; int op=rnd(20); unsigned a=rnd(N),l=1+rnd(12); char*p=B+a*4096; errno=0; 
  switch(op){
  case 0:case 1:case 2: { int sh=rnd(3)==0; int fl=(sh?MAP_SHARED:MAP_PRIVATE)|(rnd(4)?MAP_FIXED:MAP_FIXED_NOREPLACE); int f=rnd(3)==0; int pr=prots[rnd(8)]; int off=rnd(16); if(rnd(10)==0) fl|=MAP_NORESERVE; r=(long)mmap(p,l*4096,pr,f?fl:fl|MAP_ANONYMOUS,f?fd:-1,f?off*4096L:0); printf("%d mmap %u %u %d %x f%d:",t,a,l,pr,fl,f); break; }
  case 3:case 4: r=munmap(p,l*4096); printf("%d munmap %u %u:",t,a,l); break;
  case 5:case 6:case 7: { int pr=prots[rnd(8)]; r=mprotect(p,l*4096,pr); printf("%d mprotect %u %u %d:",t,a,l,pr); break; }
  case 8: { static const int ad[]={MADV_DONTNEED,MADV_DONTFORK,MADV_DOFORK,MADV_SEQUENTIAL,MADV_NORMAL,MADV_RANDOM,MADV_WIPEONFORK,MADV_KEEPONFORK,MADV_DONTDUMP,MADV_DODUMP,MADV_WILLNEED,MADV_FREE,MADV_REMOVE,MADV_POPULATE_READ,MADV_POPULATE_WRITE,MADV_COLD,77}; int w=ad[rnd(17)]; if(w==MADV_FREE) w=MADV_NORMAL; r=madvise(p,l*4096,w); printf("%d madvise %u %u %d:",t,a,l,w); break; }
  case 9:case 10: { l=1; unsigned nl=1+rnd(14); int fl=rnd(4); unsigned to=N+rnd(N); void*q; if(fl==3){ q=mremap(p,l*4096,l*4096,MREMAP_MAYMOVE|MREMAP_FIXED|4,B+to*4096);} else if(fl==2) q=mremap(p,l*4096,nl*4096,MREMAP_MAYMOVE|MREMAP_FIXED,B+to*4096); else q=mremap(p,l*4096,nl*4096,0); r=(long)q; printf("%d mremap %u %u %u fl%d %u:",t,a,l,nl,fl,to); break; }
  case 11: { int u=rnd(2); r=u?munlock(p,l*4096):mlock(p,l*4096); printf("%d %s %u %u:",t,u?"munlock":"mlock",a,l); break; }
  case 12: { unsigned char vec[16]; memset(vec,9,16); r=mincore(p,l*4096,vec); printf("%d mincore %u %u:",t,a,l); break; }
  case 13: r=msync(p,l*4096,MS_SYNC); printf("%d msync %u %u:",t,a,l); break;
  case 14: { fflush(stdout); pid_t k=fork(); if(!k){ unsigned x=0; for(int i=0;i<2*N;i++){ int g=sigsetjmp(jb,1); if(!g) x=x*31+*(volatile unsigned char*)(B+i*4096); else x=x*31+g; } for(int i=0;i<2*N;i+=3) if(!sigsetjmp(jb,1)) { int pr=0; FILE*z=0; (void)pr;(void)z; } printf("%d child %u\n",t,x); fflush(stdout); _exit(0);} waitpid(k,0,0); printf("%d fork:",t); break; }
  default: { int w=rnd(2); int g=sigsetjmp(jb,1); if(!g){ if(w) *(volatile unsigned char*)(p+5)=t; else r=*(volatile unsigned char*)(p+5);} else r=g; printf("%d %s %u:",t,w?"w":"r",a); break; }
  }
  if((unsigned long)r>=(unsigned long)B-N*4096 && (unsigned long)r<(unsigned long)B+4*N*4096) printf(" @%ld",(r-(long)B)/4096); else printf(" %ld e%d",r,r==-1?errno:0);
  maps();
 }
 unsigned x=0; for(int i=0;i<2*N;i++){ int g=sigsetjmp(jb,1); if(!g) x=x*31+*(volatile unsigned char*)(B+i*4096+5); else x=x*31+g; } printf("end %u\n",x); }
